"""Text files as machines write them: byte order marks, line ends, other encodings refused by name.

Editors and spreadsheets of Windows put a byte order mark before UTF-8, which is no part of the
text, and end lines with carriage return and line feed.
"""

import codecs
from pathlib import Path

from ekm3d.regular_file import MIB, contents

MARKS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32",      # before their parts
         codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


LARGEST = 64 * MIB                  # bytes of a text, unless its reader takes more


class NotUTF8(ValueError):
    """Bytes that are not UTF-8 text; `line`: number of the line with the first of them."""

    def __init__(self, message: str, line: int):
        super().__init__(message)
        self.line = line


def read_text(path: str | Path, largest: int = LARGEST) -> str:
    """Return the text of a UTF-8 file, lines ended by line feeds; OSError, NotUTF8.

    largest: bytes that it may have. What is no regular file is refused.
    """
    return decoded(contents(path, largest))


def decoded(data: bytes, errors: str = "strict") -> str:
    """Return bytes as text without byte order mark, lines ended by line feeds; NotUTF8.

    errors: "replace" puts a sign in the place of bytes that are not UTF-8.
    """
    for mark, name in MARKS.items():
        if data.startswith(mark):
            raise NotUTF8(f"this is {name} text; save the file as UTF-8", 1)
    if b"\0" in data[:2] or b"\0\0" in data[:4]:
        raise NotUTF8("this looks like UTF-16 text (a null byte follows every letter); save the "
                      "file as UTF-8", 1)
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode(errors=errors)
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise NotUTF8(f"byte 0x{data[e.start]:02x} is not UTF-8 text; save the file as UTF-8",
                      line) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
