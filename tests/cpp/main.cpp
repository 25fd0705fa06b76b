#include "check.hpp"

int main() {
    int passed = 0, broken = 0;
    for (const check::Test &test : check::tests()) {
        bool failed = false;
        test.body(failed);
        if (failed) std::fprintf(stderr, "FAILED %s\n", test.name);
        ++(failed ? broken : passed);
    }
    std::printf("%d passed, %d failed\n", passed, broken);
    return broken == 0 ? 0 : 1;
}
