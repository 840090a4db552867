# Shortcuts; each is one preset or script line.
all:      ; tools/build dev all
test:     ; tools/test --only unit
e2e:      ; tools/test --only e2e
corpus:   ; tools/test --only corpus
lint:     ; tools/lint
asan:     ; tools/test --preset asan
tsan:     ; tools/test --preset tsan
fuzz:     ; tools/fuzz $(T)
coverage: ; tools/coverage
mixing:   ; tools/install build run test && tools/build dev postern posternctl mixing && POSTERN_BUILD=$(CURDIR)/build/dev tests/mixing/run.py --exchanges $(or $(N),200000)
bench:    ; tools/install build run test bench && tools/build release all && tests/bench/run
sizes:    ; tools/install build run test && tools/build release all && tests/load/sizes.py
man:      ; tools/man
run:      ; tools/build dev all && build/dev/postern -c conf/dev.yaml
clean:    ; rm -rf build

.PHONY: all test e2e corpus lint asan tsan fuzz coverage mixing bench sizes man run clean
