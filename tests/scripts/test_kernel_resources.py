"""Registers and stack of the kernels on a GPU: none needs more than kernels/resources.md says."""

import importlib
from types import SimpleNamespace

import pytest
from helpers.case_files import ROOT

from ekm3d.backends.kernel_signature import kernel_names
from ekm3d.resources import folder, kernel_text

# The assembler's report on two kernels, the second spilling.
LOG = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'first' for 'sm_90'
ptxas info    : Function properties for first
    320 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 0 barriers, 320 bytes cumulative stack size
ptxas info    : Compiling entry function 'second' for 'sm_90'
ptxas info    : Function properties for second
    8 bytes stack frame, 12 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 2048 bytes smem
"""


@pytest.fixture
def script(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "tools"))
    return importlib.import_module("kernel_resources")


@pytest.fixture
def nvrtc(script):
    """The CUDA compiler of the version that the table is of, or a visible skip."""
    found = script.compiler()
    if found is None:
        pytest.skip("no NVRTC: pip install nvidia-cuda-nvrtc (part of ekm3d[dev] on Linux)")
    version, _ = script.recorded(script.PAGE.read_text())
    if found.version() != version:
        pytest.skip(f"the table is of NVRTC {version}, this is {found.version()}")
    return found


def check(script, nvrtc, architecture, sources):
    """Fail with the kernels that need more than the table says."""
    now = script.measured(nvrtc, architecture, sources)
    assert now
    then = script.recorded(script.PAGE.read_text())[1][architecture]
    assert not script.grown(now, then), "better: python scripts/tools/kernel_resources.py"


def test_kernels_of_the_fluxes_have_not_grown(script, nvrtc):
    """The same NVRTC gives the same code, so that any difference is the kernel's."""
    check(script, nvrtc, "sm_90", ["physics/transport.cu", "physics/potential.cu"])


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
def test_no_kernel_has_grown(script, nvrtc, architecture):
    check(script, nvrtc, architecture, ())


def test_the_table_has_every_kernel_of_the_field_block(script):
    """One row each, in all three architectures; only process kernels the field lacks may miss."""
    found = script.recorded(script.PAGE.read_text())[1]
    asked = {name for names in script.asked_by_the_field_block().values() for name in names}
    every = {name for path in folder("kernels").rglob("*.cu")
             for name in kernel_names(path.read_text())}
    assert asked <= every
    assert [set(kernels) for kernels in found.values()] == [asked] * 3


def test_the_report_of_the_assembler_is_read(script):
    assert script.parsed(LOG) == {"first": script.Resources(32, 320, 0, 0),
                                  "second": script.Resources(255, 8, 32, 2048)}


def test_a_kernel_that_needs_more_is_named(script):
    """More of anything counts, less does not; a kernel that is not in the table is told."""
    then = {"a": script.Resources(40, 0, 0, 0), "b": script.Resources(40, 16, 0, 0)}
    now = {"a": script.Resources(41, 0, 8, 0), "b": script.Resources(32, 0, 0, 0),
           "c": script.Resources(1, 0, 0, 0)}
    assert script.grown(now, then) == ["a: registers 40 -> 41", "a: spills 0 -> 8",
                                       "c is not in the table"]
    assert script.grown(then, then) == []


def test_the_check_fails_when_a_kernel_has_grown(script, monkeypatch, tmp_path, capsys):
    """The page as it is written is read back; one register more is told, with exit code 1."""
    needs = {name: script.Resources(30, 8 * (name == "newton"), 0, 0) for name in (
        "newton", "small_cycle")}
    monkeypatch.setattr(script, "compiler", lambda: SimpleNamespace(version=lambda: "12.9"))
    monkeypatch.setattr(script, "measured", lambda nvrtc, architecture: dict(needs))
    page = tmp_path / "resources.md"
    page.write_text(f"of NVRTC 11.0\n{script.BEGIN}old\n{script.END}\nrest\n")
    assert script.main([], page) == 0
    assert page.read_text().startswith("of NVRTC 12.9\n") and page.read_text().endswith("rest\n")
    assert script.recorded(page.read_text())[1] == dict.fromkeys(script.ARCHITECTURES, needs)
    assert script.main(["--check"], page) == 0
    needs["newton"] = script.Resources(31, 8, 0, 0)
    assert script.main(["--check"], page) == 1
    assert "sm_80 newton: registers 30 -> 31" in capsys.readouterr().out


@pytest.mark.parametrize("registers, block, warps", [
    (255, 256, 8), (168, 256, 8), (128, 256, 16), (96, 256, 16), (80, 256, 24), (40, 256, 48),
    (32, 256, 64), (80, 768, 24), (168, 128, 12)])
def test_occupancy(script, registers, block, warps):
    """Counted by hand: 65 536 registers; 8 of every thread and 4 warps are given at a time."""
    assert script.warps(registers, block) == warps


def test_blocks_are_those_of_the_launch(script):
    """256 threads where registers allow them, all that they allow in a kernel of one block."""
    assert script.threads("solvers/multigrid.cu", "small_cycle", 80) == 768
    assert script.threads("solvers/multigrid.cu", "smooth", 80) == 256
    assert "EKM_BLOCK_ROWS" in kernel_text("solvers/multigrid.cu")


# fd1 and fd2 are read in the loop, fd2 behind it, too; fd3 is set under a guard, and else stays.
PTX = """
.entry first() { ret; }
.entry second(.param .u64 second_param_0)
{
    .reg .pred %p<2>; .reg .b32 %r<4>; .reg .f64 %fd<5>;
    mov.u32 %r1, 5;                         // then alive: r1
    ld.global.v2.f64 {%fd1, %fd2}, [%r1];   // r1 fd1 fd2: 5 words
$L1:
    mul.f64 %fd3, %fd1, %fd2;               // and fd3: 7
    setp.lt.u32 %p1, %r1, 3;
    @%p1 add.f64 %fd3, %fd3, %fd2;
    @%p1 bra $L1;                           // before it r1, fd1, fd2, fd3
    st.global.f64 [%r1], %fd3;
    st.global.f64 [%r1+8], %fd2;
    ret;
}
"""


def test_registers_alive_are_counted_by_hand(script):
    """Before every statement: 0 1 5 5 7 7 7 5 3 0; behind the loop fd1 is not needed any more."""
    found = importlib.import_module("live_registers").live(PTX, "second")
    assert (found.statements, found.peak, found.median, found.above) == (10, 7, 5, 0.0)
    with pytest.raises(ValueError, match="no kernel third"):
        importlib.import_module("live_registers").live(PTX, "third")
