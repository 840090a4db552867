/* A PROXY header: the verdict on the whole is the first verdict on a prefix of it. */
#include "http/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct addr whole_client = {0}, client = {0};
    bool whole_local = false, local = false;
    size_t whole_used = 0, used = 0;
    enum err whole = proxy_header_parse(bytes, &whole_client, &whole_local, &whole_used);
    enum err e = ERR_AGAIN;

    for (size_t n = 0; n <= size && e == ERR_AGAIN; n++)
        e = proxy_header_parse(slice_to(bytes, n), &client, &local, &used);
    CHECK(e == whole && used == whole_used && used <= size);
    CHECK(local == whole_local && addr_eq(&client, &whole_client));
    CHECK(client.port == whole_client.port);
    return 0;
}
