/* SPDX-License-Identifier: MIT
 *
 * A target without libFuzzer: shows it each file that is named, or all of a folder's.
 * With none, the corpus of its own name: replay_json reads fuzz/corpus/json.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

static void
replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct whs_buf buf = {0};
    char part[4096];
    size_t len;
    if (!file) {
        perror(path);
        exit(2);
    }
    while ((len = fread(part, 1, sizeof(part), file)) > 0)
        whs_buf_append(&buf, part, len);
    fclose(file);
    char *copy = fuzz_copy(whs_buf_slice(&buf), false);
    LLVMFuzzerTestOneInput((const uint8_t *)copy, buf.len);
    free(copy);
    whs_buf_fini(&buf);
}

static bool
is_folder(const char *path)
{
    struct stat what;
    return stat(path, &what) == 0 && S_ISDIR(what.st_mode);
}

static int
replay(const char *path)
{
    struct dirent **names;
    if (!is_folder(path)) {
        replay_file(path);
        return 1;
    }
    int found = scandir(path, &names, NULL, alphasort), shown = 0;
    for (int i = 0; i < found; i++) {
        char inner[4096];
        if (names[i]->d_name[0] != '.') {
            snprintf(inner, sizeof(inner), "%s/%s", path, names[i]->d_name);
            replay_file(inner);
            shown++;
        }
        free(names[i]);
    }
    if (found >= 0)
        free(names);
    return shown;
}

int
main(int argc, char **argv)
{
    char corpus[256];
    int shown = 0;
    const char *name = strrchr(argv[0], '_');
    snprintf(corpus, sizeof(corpus), "fuzz/corpus/%s", name ? name + 1 : argv[0]);
    if (argc < 2)
        shown = replay(corpus);
    for (int i = 1; i < argc; i++)
        shown += replay(argv[i]);
    printf("%d inputs\n", shown);
    return shown > 0 ? 0 : 2;
}
