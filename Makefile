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
bench:    ; tools/install build run test bench && tools/build release all && tests/bench/run
man:      ; tools/man
run:      ; tools/build dev all && build/dev/postern -c conf/dev.yaml
clean:    ; rm -rf build

.PHONY: all test e2e corpus lint asan tsan fuzz coverage bench man run clean
