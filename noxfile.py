"""One session per task: `nox -l` lists them, `nox -s lint types` runs two.

Sessions that compile keep their objects in build/<session>, so that a second run compiles what has changed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2024.4"
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests"]

# The tests that reach every line of csrc: what the sanitizer sessions repeat. They force one SIMD level after another.
KERNEL_TESTS = [
    f"tests/test_{name}.py" for name in ("kernels", "incidence", "weights", "pattern_weights", "counts", "summary")
]
KERNEL_TEST_TOOLS = ["pytest>=8", "hypothesis>=6.100", "scipy>=1.12"]  # what they need of the extra "test"
# What stands above the kernels' protocol, or beside it: tested wherever tests run, and not once more for each backend.
OF_NO_BACKEND = (
    *("association", "bad_input", "checkpoints", "cli", "cli_scans", "compare", "counts_files", "coverage", "crossing"),
    *("dask", "gpu", "interop", "jackknife", "multiplicity", "performance", "plots", "scan_faults", "scan_reading"),
    *("scan_sources", "scores", "sweep"),
)
# The package's doctests are run where it is installed, not in the source folder, which has no extension.
ALL_TESTS = ["tests", "--pyargs", "askew"]

# The same versions as in .pre-commit-config.yaml: another formatter is another format.
RUFF, MYPY = "ruff==0.17.6", "mypy==2.4.1"
CLANG_FORMAT, CLANG_TIDY = "clang-format==23.1.5", "clang-tidy==23.1.4"
BUILD_TOOLS = ["scikit-build-core>=0.10", "pybind11>=3", "cmake>=3.20", "ninja"]
CXX_SUFFIXES = {".hpp", ".cpp", ".inl", ".cuh", ".cu"}
CXX_SOURCES = sorted(
    str(path) for folder in ("csrc", "tests") for path in Path(folder).rglob("*") if path.suffix in CXX_SUFFIXES
)
CXX_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wshadow",
    "-Wconversion",
    "-Werror",
]  # as in CMakeLists.txt

# A session sets what it is about; nothing comes in from outside.
for variable in ("ASKEW_BACKEND", "ASKEW_SIMD", "ASKEW_NUM_THREADS"):
    os.environ.pop(variable, None)


def install_native(session: nox.Session, extras: str = "[test]", **defines: str) -> None:
    """Install askew with its extension, or fail; `defines` are CMake's. CUDA kernels are built for the tests alone."""
    session.install(*BUILD_TOOLS)
    defines = {"ASKEW_CUDA": "AUTO" if session.name == "tests" else "OFF", **defines}
    settings = {"build-dir": f"build/{session.name}", **{f"cmake.define.{k}": v for k, v in defines.items()}}
    if "ASKEW_SANITIZE" in defines:
        settings |= {"cmake.build-type": "RelWithDebInfo", "install.strip": "false"}
        settings["cmake.define.CMAKE_CXX_FLAGS_RELWITHDEBINFO"] = "-O1 -g1"  # a third of the time that -O2 -g takes
    session.install(
        "--no-build-isolation",
        *(f"-C{key}={value}" for key, value in settings.items()),
        f".{extras}",
        env={"ASKEW_REQUIRE_EXTENSION": "1"},
    )


def install_for_kernel_tests(session: nox.Session, **defines: str) -> None:
    session.install(*KERNEL_TEST_TOOLS)
    install_native(session, "", **defines)


def install_pure(session: nox.Session, extras: str) -> None:
    """Install askew without compiling anything, for what only reads its Python code."""
    session.install("-Cwheel.cmake=false", f".{extras}")


def install_without_compiler(session: nox.Session, extras: str) -> None:
    """Install askew where no compiler works."""
    no_compiler = {"CC": "/bin/false", "CXX": "/bin/false", "ASKEW_REQUIRE_EXTENSION": None}
    session.install(f"-Cbuild-dir=build/{session.name}", f".{extras}", env=no_compiler)
    absent = "from importlib.util import find_spec; assert find_spec('askew._core') is None"
    session.run("python", "-c", absent)


def run_all_tests(session: nox.Session, backend: str, *options: str) -> None:
    """Every test that reaches the backend that "auto" takes with a warning that begins so."""
    expected = f"ignore:askew runs on its {backend} backend:askew.errors.AskewWarning"
    ignored = [f"--ignore=tests/test_{name}.py" for name in OF_NO_BACKEND]
    env = {"ASKEW_TEST_THREADS": "2"}
    session.run("pytest", "-W", expected, *ignored, *options, *(session.posargs or ALL_TESTS), env=env)


@nox.session
def tests(session: nox.Session) -> None:
    """Every test, with the extension."""
    install_native(session)
    session.run("pytest", *(session.posargs or ALL_TESTS))


@nox.session
def pure(session: nox.Session) -> None:
    """Where no compiler works, the install succeeds all the same and the NumPy backend passes the tests."""
    install_without_compiler(session, "[test]")
    # Kernel by kernel, NumPy's are tested wherever tests run: once more, in this session, would say nothing new.
    run_all_tests(session, "slow NumPy", "--ignore=tests/test_kernels.py")


@nox.session
def numba(session: nox.Session) -> None:
    """The same with Numba, whose backend is then taken, and passes the tests."""
    install_without_compiler(session, "[test,numba]")
    run_all_tests(session, "Numba", "-k", "not [numpy-")


@nox.session
def spark(session: nox.Session) -> None:
    """The recipe for Spark, in its local mode. Needs Java, and 450 MB of downloads."""
    install_native(session)
    session.install("pyspark>=3.5")
    session.run("pytest", "tests/test_examples.py", "-k", "spark")


@nox.session
def nvrtc(session: nox.Session) -> None:
    """CUDA's run-time compiler, which needs no GPU, takes the kernels unchanged, as backend "cupy" gives them to it."""
    install_pure(session, "")
    session.install(*KERNEL_TEST_TOOLS, "nvidia-cuda-nvrtc-cu12")
    present = "from test_gpu_backends import nvrtc_libraries; next(nvrtc_libraries())"  # or the test would be skipped
    session.run("python", "-W", "ignore", "-c", present, env={"PYTHONPATH": "tests"})
    no_extension = "ignore:askew runs on its slow NumPy backend:askew.errors.AskewWarning"
    session.run("pytest", "-W", no_extension, "tests/test_gpu_backends.py", "-k", "nvrtc")


@nox.session
def lint(session: nox.Session) -> None:
    """Python and C++ style; changes nothing (`nox -s format` does)."""
    session.install(RUFF, CLANG_FORMAT)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("clang-format", "--dry-run", "--Werror", *CXX_SOURCES)


@nox.session(name="format")
def format_code(session: nox.Session) -> None:
    """Rewrite Python and C++ files in the project's style."""
    session.install(RUFF, CLANG_FORMAT)
    session.run("ruff", "check", "--fix", ".")
    session.run("ruff", "format", ".")
    session.run("clang-format", "-i", *CXX_SOURCES)


@nox.session
def types(session: nox.Session) -> None:
    """Mypy in strict mode on the package."""
    session.install(MYPY)
    install_pure(session, "[test]")
    session.run("mypy")


@nox.session
def warnings(session: nox.Session) -> None:
    """No compiler warning here, nor for arm64 where that cross compiler is installed."""
    configure(session)
    session.run("cmake", "--build", f"build/{session.name}")
    no_shared_symbols(session)
    compiler = shutil.which("aarch64-linux-gnu-g++")
    if compiler is None:
        session.warn("no aarch64-linux-gnu-g++: arm64 is not checked")
        return
    flags = ["-std=c++20", "-O2", *CXX_WARNINGS, "-Icsrc", "-c", "-o", "/dev/null"]
    for source in sorted(Path("csrc/cpu").glob("*.cpp")):
        if source.stem not in {"simd_avx2", "simd_avx512"}:  # x86 only
            session.run(compiler, *flags, str(source), external=True)


def no_shared_symbols(session: nox.Session) -> None:
    """A SIMD level leaves no weak symbol: the linker could give its code to a processor that cannot run it."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return
    binary = f"build/{session.name}/simd_avx2.o"
    compiler = os.environ.get("CXX", "g++")
    flags = ["-std=c++20", "-O0", "-mavx2", "-Icsrc"]  # unoptimised: nothing is inlined away
    session.run(compiler, *flags, "-c", "csrc/cpu/simd_avx2.cpp", "-o", binary, external=True)
    symbols = subprocess.check_output(["nm", "-C", binary], text=True).splitlines()
    weak = [line for line in symbols if line[17:18] in ("W", "V", "u")]
    if weak:
        session.error("simd_kernels.inl has weak symbols:\n" + "\n".join(weak))


@nox.session
def tidy(session: nox.Session) -> None:
    """clang-tidy on the C++ code."""
    session.install(CLANG_TIDY)
    configure(session)
    sources = [source for source in CXX_SOURCES if source.startswith("csrc") and source.endswith(".cpp")]
    if shutil.which("nvcc") is None:  # then it is not compiled
        sources.remove("csrc/bindings/cuda_module.cpp")
    session.run("clang-tidy", "--quiet", "-p", f"build/{session.name}", *(session.posargs or sources))


def configure(session: nox.Session) -> None:
    """Configure a build of the extension alone, outside of any wheel, with warnings as errors."""
    session.install(*BUILD_TOOLS)
    pybind11 = session.run("python", "-m", "pybind11", "--cmakedir", silent=True)
    python = session.run("python", "-c", "import sys; print(sys.executable)", silent=True)
    session.run(
        *("cmake", "-S", ".", "-B", f"build/{session.name}", "-G", "Ninja"),
        *("-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DASKEW_WERROR=ON"),
        *(f"-Dpybind11_DIR={str(pybind11).strip()}", f"-DPython_EXECUTABLE={str(python).strip()}"),
        *os.environ.get("CMAKE_ARGS", "").split(),
    )


@nox.session
def simd(session: nox.Session) -> None:
    """Every SIMD level that this processor can run is what ASKEW_SIMD makes the whole library run."""
    install_for_kernel_tests(session)
    for level in simd_levels(session):
        env = {"ASKEW_SIMD": level}
        chosen = session.run("python", "-c", "from askew import _core; print(_core.simd_level())", silent=True, env=env)
        if str(chosen).strip() != level:
            session.error(f"ASKEW_SIMD={level} runs {chosen}")
        session.run("pytest", "tests/test_counts.py", "tests/test_reproducibility.py", env=env)


def simd_levels(session: nox.Session) -> list[str]:
    """Those that the installed extension can run here, best first."""
    return str(session.run("python", "-c", "from askew import _core; print(*_core.simd_levels())", silent=True)).split()


@nox.session
def clang(session: nox.Session) -> None:
    """The kernel tests on what Clang makes of the code, which lays out vectors on the stack otherwise than GCC."""
    compiler = shutil.which("clang++")
    if compiler is None:
        session.error("no clang++")
    install_for_kernel_tests(session, CMAKE_CXX_COMPILER=compiler, ASKEW_WERROR="ON")
    chosen = session.posargs or [*KERNEL_TESTS, "-k", "not numpy"]
    session.run("pytest", *chosen, env={"ASKEW_TEST_THREADS": "2"})


@nox.session
def sanitize(session: nox.Session) -> None:
    """The kernel tests under the address and undefined-behaviour sanitizers."""
    install_for_kernel_tests(session, ASKEW_SANITIZE="address,undefined")
    run_sanitized(
        session,
        ["libasan.so", "libubsan.so"],
        ["-k", "not numpy"],
        ASAN_OPTIONS="detect_leaks=0",  # Python frees little at exit
        UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
    )


@nox.session
def sanitize_thread(session: nox.Session) -> None:
    """The kernel tests under the thread sanitizer, at the portable level: all of them share the threads' code."""
    install_for_kernel_tests(session, ASKEW_SANITIZE="thread")
    chosen = ["-k", "not numpy and not avx"]
    run_sanitized(session, ["libtsan.so"], chosen, TSAN_OPTIONS="halt_on_error=1", OPENBLAS_NUM_THREADS="1")


def run_sanitized(session: nox.Session, runtimes: list[str], chosen: list[str], **options: str) -> None:
    """Run the kernel tests in a Python that loads the sanitizers' runtimes first."""
    compiler = os.environ.get("CXX", "g++")

    def library(name: str) -> str:
        return subprocess.check_output([compiler, f"-print-file-name={name}"], text=True).strip()

    # Python itself is not linked to libstdc++, whose exceptions the sanitizers must see from the start.
    preload = " ".join(library(name) for name in [*runtimes, "libstdc++.so.6"])
    command = ["python", "-m", "pytest", *(session.posargs or [*KERNEL_TESTS, *chosen])]
    if "TSAN_OPTIONS" in options:  # the thread sanitizer cannot live with every random address layout
        command = ["setarch", "-R", *command]
    options["ASKEW_TEST_THREADS"] = "5"
    session.run("env", f"LD_PRELOAD={preload}", *command, env=options, external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, with warnings as errors; its examples are run."""
    install_pure(session, "[docs,io]")
    session.run("python", "-m", "doctest", "docs/reproducibility.md")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """Every benchmark once, on this checkout: does it run, and roughly how fast. See benchmarks/README.md."""
    install_native(session)
    session.install("asv>=0.6.4", "virtualenv")  # of the extra "bench", without the peers
    session.run("asv", "machine", "--yes")
    session.run("asv", "run", "--quick", "--dry-run", "--show-stderr", "--python=same", *session.posargs)
