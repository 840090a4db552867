#include "model/script.h"

#include "crypto/digest.h"

#include "base/err.h"

#include <openssl/evp.h>
#include <pthread.h>

/*
 * The files are taken in by the assembler, byte for byte; CMakeLists.txt names them as
 * what this file depends on. ".byte 0" keeps an empty file's label from being the next one's.
 */
#define SCRIPT(name, file)                                                                         \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global model_script_" #name "\n"                                                     \
            ".hidden model_script_" #name "\n"                                                     \
            "model_script_" #name ":\n"                                                            \
            ".incbin \"" MODEL_SCRIPT_DIR "/" file "\"\n"                                          \
            ".global model_script_end_" #name "\n"                                                 \
            ".hidden model_script_end_" #name "\n"                                                 \
            "model_script_end_" #name ":\n"                                                        \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const char model_script_##name[], model_script_end_##name[];
#include "model/script.def"
#undef SCRIPT

enum { SHA1_BYTES = 20, SHA1_CHARS = 2 * SHA1_BYTES };

static char sums[SCRIPT_COUNT][SHA1_CHARS + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

struct slice script_text(enum script s)
{
    static const struct {
        const char *p, *end;
    } texts[SCRIPT_COUNT] = {
#define SCRIPT(name, file) {model_script_##name, model_script_end_##name},
#include "model/script.def"
#undef SCRIPT
    };

    CHECK((unsigned)s < SCRIPT_COUNT);
    return slice_of(texts[s].p, (size_t)(texts[s].end - texts[s].p));
}

static void sum_all(void)
{
    for (unsigned i = 0; i < SCRIPT_COUNT; i++) {
        struct slice text = script_text((enum script)i);
        unsigned char sum[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        CHECK(EVP_Digest(text.p, text.n, sum, &n, EVP_sha1(), NULL) == 1 && n == SHA1_BYTES);
        hex_encode(slice_of(sum, n), sums[i]);
    }
}

struct slice script_sha1(enum script s)
{
    CHECK((unsigned)s < SCRIPT_COUNT);
    CHECK(pthread_once(&once, sum_all) == 0);
    return slice_of(sums[s], SHA1_CHARS);
}
