/*
 * Runs a fuzz target over every file of the folders given as arguments, without a
 * fuzzer: what was found once is tested for ever. Each input is a heap block of
 * exactly its size. A folder that is empty or absent is no error.
 */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    uint8_t *data;
    size_t size;

    if (f == NULL || fstat(fileno(f), &st) != 0) {
        perror(path);
        if (f != NULL)
            fclose(f);
        return 1;
    }
    size = S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
    data = malloc(size);
    if (data == NULL && size > 0)
        abort();
    if (size > 0 && fread(data, 1, size, f) != size) {
        perror(path);
        abort();
    }
    fclose(f);
    if (S_ISREG(st.st_mode))
        LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

static int replay_folder(const char *folder, size_t *count)
{
    DIR *d = opendir(folder);
    struct dirent *entry;
    int failed = 0;

    if (d == NULL && errno == ENOENT)
        return 0;
    if (d == NULL) {
        perror(folder);
        return 1;
    }
    while ((entry = readdir(d)) != NULL) {
        char path[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        failed |= replay_file(path);
        ++*count;
    }
    closedir(d);
    return failed;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    int failed = 0;

    for (int i = 1; i < argc; i++)
        failed |= replay_folder(argv[i], &count);
    printf("%zu inputs\n", count);
    return failed;
}
