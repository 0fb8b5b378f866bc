"""Pages: templates filled with what is known, one HTML file each that needs no network."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from ekm3d.view import extras
from ekm3d.view.svg_slices import Slides

TEMPLATES = files("ekm3d.view") / "templates"


def filled(template: str, slides: Slides | None, **values: Any) -> str:
    """Return a template of `templates` with its values, style sheet and script; text is escaped."""
    jinja = extras.extra("jinja2", "reports")
    loader = jinja.FunctionLoader(lambda name: (TEMPLATES / name).read_text(encoding="utf-8"))
    environment = jinja.Environment(loader=loader, autoescape=True, trim_blocks=False)
    slides_json = ""
    if slides is not None:
        hours = ", ".join(f'"{hour}"' for hour in slides.hours)
        slides_json = (f'{{"hours": [{hours}], "roles": {slides.roles}, '
                       f'"frames": {slides.frames}}}').replace("</", "<\\/")
    return environment.get_template(template).render(
        slides=slides, slides_json=slides_json,
        style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "page.js").read_text(encoding="utf-8"), **values)


def written(path: Path, text: str) -> Path:
    """Write a page, its folder as well where it is missing; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
