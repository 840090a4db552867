/* posternctl version: what was built, and with what. */
#include "output.h"

#include <curl/curl.h>
#include <openssl/crypto.h>

enum outcome ctl_version(struct ctl *c)
{
    json_t *o;

    if (!output_is_data(c)) {
        printf("posternctl %s\n", POSTERN_VERSION);
        return OUTCOME_OK;
    }
    o = json_pack("{s:s, s:s, s:{s:s, s:s, s:s}}", "version", POSTERN_VERSION, "compiler",
                  __VERSION__, "libraries", "openssl", OpenSSL_version(OPENSSL_VERSION_STRING),
                  "curl", curl_version_info(CURLVERSION_NOW)->version, "jansson", JANSSON_VERSION);
    CHECK(o != NULL);
    output_data(c, o);
    json_decref(o);
    return OUTCOME_OK;
}
