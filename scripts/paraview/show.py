"""ParaView view of a run: electrodes, potential, and the rare earths that are left in the ore.

    pvpython scripts/paraview/show.py cases/field_block/out                 a picture, show.png
    pvpython scripts/paraview/show.py DIR --time 132 --png at_132_h.png     at 132 h
    EKM3D_RUN=DIR paraview --script=scripts/paraview/show.py                in the window

Without a display: xvfb-run -a -s "-screen 0 1400x900x24" pvpython ... Needs ParaView 5.11, and
nothing of ekm3d. It opens fields.vtkhdf where ParaView can (5.12), else fields.xdmf, and shows: the
block's outline; the ore cut open, coloured by REE_mg_per_kg; surfaces of equal potential; the
electrodes from electrodes.vtp and rods.vtp.
"""

import argparse
import math
import os
import sys

from paraview import servermanager, simple

SURFACES = 7            # of equal potential
HOUR = 3600.0


def source(directory):
    """Return the reader of the snapshots that this ParaView has."""
    version = simple.GetParaViewVersion()
    new = (version.major, version.minor) >= (5, 12)
    path = os.path.join(directory, "fields.vtkhdf" if new else "fields.xdmf")
    if not os.path.isfile(path):
        sys.exit(f"{path} does not exist; give the directory of a run's results")
    return simple.OpenDataFile(path) if new else simple.XDMFReader(FileNames=[path])


def beside(block, path):
    """Return the shapes of a file where the block is.

    fields.xdmf of a turned block is in the coordinates of the case, all else in real ones:
    x = o + R^T (X - P).
    """
    shapes = simple.OpenDataFile(path)
    data = servermanager.Fetch(shapes).GetFieldData()
    turned = data.GetArray("rotation_deg")
    if not block.SMProxy.GetXMLName().upper().startswith("XDMF") or turned is None \
            or not turned.GetValue(0):
        return shapes
    angle = math.radians(turned.GetValue(0))
    real, local = ([data.GetArray(name).GetValue(n) for n in range(3)]
                   for name in ("real_origin_m", "local_origin_m"))
    c, s = math.cos(angle), math.sin(angle)
    moved = simple.Transform(Input=shapes)
    moved.Transform.Rotate = [0.0, 0.0, -turned.GetValue(0)]
    moved.Transform.Translate = [local[0] - c * real[0] - s * real[1],
                                 local[1] + s * real[0] - c * real[1], local[2] - real[2]]
    return moved


def colour(display, name, title, limits, preset, where="CELLS"):
    """Colour by an array between limits, with a bar that has a title."""
    simple.ColorBy(display, (where, name))
    table = simple.GetColorTransferFunction(name)
    table.ApplyPreset(preset, True)
    table.RescaleTransferFunction(*limits)
    table.NanOpacity = 0.0
    legend = simple.GetScalarBar(table, simple.GetActiveView())
    legend.Title, legend.ComponentTitle = title, ""
    legend.TitleColor = legend.LabelColor = [0.1, 0.1, 0.1]
    display.SetScalarBarVisibility(simple.GetActiveView(), True)


def show(directory, hours=None, size=(1400, 900)):
    """Build the view; return it. hours: time of the snapshot, by default the last."""
    block, view = source(directory), simple.GetActiveViewOrCreate("RenderView")
    view.ViewSize, view.Background = list(size), [1.0, 1.0, 1.0]
    view.UseColorPaletteForBackground = 0
    times = list(getattr(block, "TimestepValues", None) or [0.0])
    time = times[-1] if hours is None else min(times, key=lambda t: abs(t - HOUR * hours))
    scene = simple.GetAnimationScene()
    scene.UpdateAnimationUsingDataTimeSteps()
    scene.AnimationTime = view.ViewTime = time
    block.UpdatePipeline(time)
    bounds = block.GetDataInformation().GetBounds()
    ends = [bounds[2 * n:2 * n + 2] for n in range(3)]
    middle = [0.5 * (low + high) for low, high in ends]

    outline = simple.Show(simple.Outline(Input=block), view)
    outline.AmbientColor = outline.DiffuseColor = [0.3, 0.3, 0.3]

    ore = simple.Threshold(Input=block, Scalars=["CELLS", "electrode_row"])
    ore.LowerThreshold = ore.UpperThreshold = 0.0
    half = simple.Clip(Input=ore, ClipType="Plane", Crinkleclip=1)
    half.ClipType.Origin, half.ClipType.Normal = middle, [0.0, -1.0, 0.0]
    half.UpdatePipeline(time)
    limits = half.CellData.GetArray("REE_mg_per_kg").GetRange(0)
    colour(simple.Show(half, view), "REE_mg_per_kg", "exchangeable REE (mg/kg)",
           (0.0, limits[1] or 1.0), "Viridis (matplotlib)")

    points = simple.CellDatatoPointData(Input=ore, ProcessAllArrays=0,
                                        CellDataArraytoprocess=["phi"])
    points.UpdatePipeline(time)
    low, high = points.PointData.GetArray("phi").GetRange(0)
    if high > low:
        equal = simple.Contour(Input=points, ContourBy=["POINTS", "phi"], Isosurfaces=[
            low + (n + 0.5) * (high - low) / SURFACES for n in range(SURFACES)])
        surfaces = simple.Show(equal, view)
        colour(surfaces, "phi", "potential (V)", (low, high), "Plasma (matplotlib)", "POINTS")
        surfaces.Opacity = 0.3
        legend = simple.GetScalarBar(simple.GetColorTransferFunction("phi"), view)
        legend.Orientation, legend.WindowLocation = "Horizontal", "Lower Center"

    electrodes = os.path.join(directory, "electrodes.vtp")
    if os.path.isfile(electrodes):
        metal = simple.Show(beside(block, electrodes), view)
        metal.ColorArrayName = [None, ""]
        metal.AmbientColor = metal.DiffuseColor = [0.85, 0.45, 0.1]
        metal.Specular = 0.4

    rods = os.path.join(directory, "rods.vtp")
    if os.path.isfile(rods):
        metal = simple.Show(simple.Tube(Input=beside(block, rods),
                                        Radius=0.004 * max(b - a for a, b in ends)), view)
        metal.ColorArrayName = [None, ""]
        metal.AmbientColor = metal.DiffuseColor = [0.85, 0.45, 0.1]

    label = simple.Show(simple.Text(Text=f"t = {time / HOUR:g} h"), view)
    label.Color, label.FontSize = [0.1, 0.1, 0.1], 18
    view.CameraViewUp, view.CameraFocalPoint = [0.0, 0.0, 1.0], middle
    extent = max(high - low for low, high in ends)
    view.CameraPosition = [middle[0] - 1.2 * extent, middle[1] - 2.4 * extent,
                           middle[2] + 1.3 * extent]
    view.OrientationAxesLabelColor = [0.1, 0.1, 0.1]
    simple.ResetCamera(view)
    simple.Render(view)
    return view


def main():
    """Show a run, and save a picture where there is no window."""
    parser = argparse.ArgumentParser(description="Picture of a run by ParaView.")
    parser.add_argument("directory", nargs="?", default=os.environ.get("EKM3D_RUN", "out"))
    parser.add_argument("--time", type=float, metavar="HOURS", help="by default the last snapshot")
    parser.add_argument("--png", default="show.png", help="file of the picture")
    options = parser.parse_args()
    view = show(options.directory, options.time)
    if not getattr(servermanager, "fromGUI", False):      # set by the window only
        simple.SaveScreenshot(options.png, view)
        print(options.png)


if __name__ in ("__main__", "__vtkconsole__"):
    main()
