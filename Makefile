# make demo | test | fuzz | fuzz-long | sanitize | core-test-arm | docs | bench | bench-data | bench-quality | bench-traced | wheel | wheel-check | format | clean
# Everything is made in .venv, build and dist. PYTHON names the interpreter to start from: any CPython >= 3.10.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
endif
BIN := .venv/bin
CPP := $(shell find csrc -name '*.h' -o -name '*.cpp' -o -name '*.cuh' -o -name '*.cu')
WEB := $(addprefix c3drender/web/,'{player,studio}/*.{js,ts,css,html}' '*.{js,json}')
PY := c3drender python_tests benchmarks docs csrc integrations conftest.py setup.py

.PHONY: demo test lint web-lint core-test core-test-clang core-test-types core-test-arm fuzz fuzz-long sanitize sanitize-address sanitize-thread wheel-test python-test docs bench bench-data bench-quality bench-traced wheel wheel-check format clean

demo: .venv/installed
	$(BIN)/c3drender demo -o demo.mp4

test: lint core-test core-test-clang core-test-types python-test wheel-test docs

lint: .venv/installed .venv/tools  # mypy reads the types of torch and its like
	$(BIN)/ruff check $(PY)
	$(BIN)/ruff format --check $(PY)
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	if command -v npm >/dev/null; then $(MAKE) web-lint; else echo "no npm on the path: the player and the studio are not linted"; fi

# The player's and the studio's ES modules: types by their JSDoc, rules, format.
web-lint: build/web-tools/installed
	build/web-tools/node_modules/.bin/tsc -p c3drender/web
	build/web-tools/node_modules/.bin/eslint --config c3drender/web/eslint.config.js c3drender/web/player c3drender/web/studio
	build/web-tools/node_modules/.bin/prettier --log-level warn --check $(WEB)

# With nvcc, the kernels too: for the oldest and the newest architecture, which between them show every warning.
core-test: .venv/tools
	$(BIN)/cmake -S . -B build/core -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
		-DCMAKE_COMPILE_WARNING_AS_ERROR=ON -DCMAKE_CUDA_ARCHITECTURES='75-real;120-real'
	$(BIN)/cmake --build build/core
	$(BIN)/ctest --test-dir build/core --output-on-failure

# The host code again by Clang, where there is one.
core-test-clang: .venv/tools
	if command -v clang++ >/dev/null; then \
		$(BIN)/cmake -S . -B build/core-clang -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DC3D_CUDA=OFF \
			-DCMAKE_CXX_COMPILER=clang++ -DCMAKE_COMPILE_WARNING_AS_ERROR=ON && \
		$(BIN)/cmake --build build/core-clang && $(BIN)/ctest --test-dir build/core-clang --output-on-failure; \
	else echo "no clang++ on the path: the core is tested as the default compiler makes it alone"; fi

# As projects around the core may build it, as a shared library. Least of all is inlined in the first.
core-test-types: .venv/tools
	for type in Debug MinSizeRel RelWithDebInfo; do \
		$(BIN)/cmake -S . -B build/core-$$type -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DC3D_CUDA=OFF \
			-DCMAKE_BUILD_TYPE=$$type -DBUILD_SHARED_LIBS=ON -DCMAKE_COMPILE_WARNING_AS_ERROR=ON && \
		$(BIN)/cmake --build build/core-$$type && \
		$(BIN)/ctest --test-dir build/core-$$type --tests-regex '^(core|scene|c|symbols)$$' --output-on-failure || exit 1; \
	done

# The core under the address, undefined behaviour and thread sanitizers, then the emulated kernels under the first of them.
sanitize: .venv/installed sanitize-address sanitize-thread
	$(BIN)/pytest -q python_tests/test_emulation.py -k leaves_its_arrays

sanitize-address sanitize-thread: sanitize-%: build/core-%/built
	$(BIN)/ctest --test-dir build/core-$* --tests-regex '^(core|scene|c|fuzz)$$' --output-on-failure

CHECKS_address := address,undefined,float-cast-overflow
CHECKS_thread := thread
build/core-%/built: .venv/tools CMakeLists.txt $(CPP)
	$(BIN)/cmake -S . -B build/core-$* -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DC3D_CUDA=OFF \
		-DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS="-O1 -fsanitize=$(CHECKS_$*) -fno-sanitize-recover=all"
	$(BIN)/cmake --build build/core-$*
	touch $@

# Random calls of every op, from C++ under the sanitizers and from Python, and damaged files for every reader and for the C++
# scene, each within limits of time and memory.
# `make fuzz-long` goes on where it was stopped, until both logs in build/ count enough; at most FUZZ_LONG_SECONDS each.
FUZZ_SECONDS ?= 60
FUZZ_LONG_SECONDS ?= 36000
FUZZ_FILES ?= 10000
FUZZ_CALLS ?= 100000
fuzz: .venv/installed .venv/tools build/core-address/built
	build/core-address/csrc/tests/fuzz_core $(FUZZ_CALLS) $$(date +%s)000000
	$(BIN)/python python_tests/fuzz_ops.py --seconds $(FUZZ_SECONDS)
	$(BIN)/python python_tests/fuzz_files.py --seconds $(FUZZ_SECONDS)
	$(BIN)/python python_tests/fuzz_manifests.py --seconds $(FUZZ_SECONDS)
	$(BIN)/python python_tests/fuzz_scene.py --files $(FUZZ_FILES)

fuzz-long: .venv/installed .venv/tools build/core-address/built
	build/core-address/csrc/tests/fuzz_core 1000000 1000000
	OMP_NUM_THREADS=1 $(BIN)/python python_tests/fuzz_ops.py --seconds $(FUZZ_LONG_SECONDS) --calls 1000000 --log build/fuzz_ops.json
	OMP_NUM_THREADS=1 $(BIN)/python python_tests/fuzz_files.py --seconds $(FUZZ_LONG_SECONDS) --files 100000 --log build/fuzz_files.json

# For AArch64, run by qemu: needs g++-aarch64-linux-gnu and qemu-user.
core-test-arm: .venv/tools
	$(BIN)/cmake -S . -B build/core-arm -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DC3D_CUDA=OFF \
		-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake -DCMAKE_COMPILE_WARNING_AS_ERROR=ON
	$(BIN)/cmake --build build/core-arm
	$(BIN)/ctest --test-dir build/core-arm --output-on-failure

python-test: .venv/installed .venv/tools
	$(BIN)/pytest -q

# The wheel serves every Python >= 3.10 and holds the example: unpacked alone, away from the sources, it runs.
wheel-test: wheel .venv/installed
	rm -rf build/unpacked
	$(BIN)/python -m zipfile -e dist/c3drender-*-cp310-abi3-*.whl build/unpacked
	cd build/unpacked && test -f c3drender/example/mask.png && test -f c3drender/web/player/compose.frag && ../../$(BIN)/python -m c3drender info

# The site, in build/site: docs/ and the docstrings. A warning, such as a link that leads nowhere, is an error.
docs: .venv/docs-tools
	$(BIN)/mkdocs build --strict --quiet

# Everything about speed, some ten minutes on two cores; writes benchmarks/results, the table of README.md and its plots.
bench: .venv/installed .venv/bench-tools
	$(BIN)/c3drender bench
	$(BIN)/pytest -q benchmarks/test_speed.py --benchmark-columns=min,median,iqr,rounds
	$(BIN)/python benchmarks/compare.py --out benchmarks/results/compare.json
	$(BIN)/python benchmarks/roofline.py --out benchmarks/results/roofline.json
	$(BIN)/python benchmarks/photo_to_mp4.py --out benchmarks/results/photo_to_mp4.json
	$(BIN)/python benchmarks/photo_to_mp4.py --size 3840 --out benchmarks/results/photo_to_mp4_4k.json
	-$(BIN)/python benchmarks/scale.py --out benchmarks/results/scale.json
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/splat_stages.py
	$(BIN)/python benchmarks/report.py --write

# Scenes with known geometry and motion, drawn once into build/bench-data (docs/benchmark.md).
bench-data: .venv/installed .venv/tools
	PYTHONPATH=benchmarks $(BIN)/python -m quality data

# Against the truth on those scenes; then on the test photos of ../shared.
bench-quality: bench-data
	PYTHONPATH=benchmarks nice $(BIN)/python -m quality run
	$(BIN)/python benchmarks/depth_order.py
	$(BIN)/python benchmarks/motion_masks.py
	$(BIN)/python benchmarks/acceptance.py

# The second set, which Blender traces once into build/bench-data/traced: hours on few cores, a frame at a time, to be stopped and
# started again at will. Needs a virtual environment with Blender in it (docs/benchmark.md): make bench-traced BLENDER=path/to/python
BLENDER ?= $(BIN)/python
bench-traced: .venv/installed .venv/tools
	PYTHONPATH=.:benchmarks nice $(BLENDER) -m quality data --set traced
	PYTHONPATH=benchmarks nice $(BIN)/python -m quality run --set traced
	PYTHONPATH=.:benchmarks nice $(BLENDER) -m quality.traced.check

# Tagged manylinux for the oldest glibc that it runs on; torch's libraries come with torch.
wheel: .venv/build-tools
	rm -rf dist build/wheel build/lib.* build/bdist.*
	$(BIN)/pip wheel -q --no-build-isolation --no-deps -w build/wheel .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair --exclude 'libtorch*' --exclude 'libc10*' -w dist build/wheel/*.whl

# Fresh environments with two torch releases: some gigabytes come from the package index.
wheel-check: wheel
	benchmarks/wheel_check.sh $(PYTHON)=2.13.0 $(PYTHON)=2.14.1

format: .venv/tools
	$(BIN)/ruff check --fix $(PY)
	$(BIN)/ruff format $(PY)
	$(BIN)/clang-format -i $(CPP)
	if command -v npm >/dev/null; then \
		$(MAKE) build/web-tools/installed && build/web-tools/node_modules/.bin/prettier --log-level warn --write $(WEB); \
	fi

clean:
	rm -rf .venv build dist c3drender.egg-info c3drender/*.so demo.mp4 demo_sheet.png

.venv/build-tools: pyproject.toml
	$(if $(PYTHON),,$(error c3drender needs Python >= 3.10; name one: make PYTHON=/path/to/python3))
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q 'pip>=25.1'
	$(BIN)/pip install --group build
	touch $@

.venv/tools: .venv/build-tools
	$(BIN)/pip install -q --group test
	touch $@

build/web-tools/installed: c3drender/web/package.json
	mkdir -p build/web-tools
	cp $< build/web-tools
	npm install --prefix build/web-tools --silent --no-audit --no-fund
	touch $@

.venv/docs-tools: .venv/build-tools
	$(BIN)/pip install -q --group docs
	touch $@

.venv/bench-tools: .venv/tools
	$(BIN)/pip install -q --group bench
	touch $@

.venv/installed: .venv/build-tools setup.py $(wildcard cmake/*.txt) $(CPP)
	$(BIN)/pip install --no-build-isolation -e .
	touch $@
