// A test runner of one page: tests register themselves, a failed check says where and ends its test.

#ifndef CHECK_HPP
#define CHECK_HPP

#include <cstdio>
#include <vector>

namespace check {
struct Test {
    const char *name;
    void (*body)(bool &failed);
};

inline std::vector<Test> &tests() {
    static std::vector<Test> all;
    return all;
}

struct Register {
    Register(const char *name, void (*body)(bool &)) { tests().push_back({name, body}); }
};
} // namespace check

#define TEST(name)                                                                                                     \
    static void name(bool &failed);                                                                                    \
    static const check::Register register_##name(#name, name);                                                         \
    static void name([[maybe_unused]] bool &failed)

#define CHECK(...)                                                                                                     \
    do {                                                                                                               \
        if (!(__VA_ARGS__)) {                                                                                          \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #__VA_ARGS__);                             \
            failed = true;                                                                                             \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

#endif
