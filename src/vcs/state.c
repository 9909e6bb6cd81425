/* SPDX-License-Identifier: Apache-2.0 */
/* Which commit a folder is at. Reads only. */
#include <git2.h>
#include <string.h>
#include "base/cleanup.h"
#include "vcs/vcs.h"

static void repo_free(git_repository **repo) { git_repository_free(*repo); }
static void list_free(git_status_list **list) { git_status_list_free(*list); }
static void library_end(const int *started) { (void)started; git_libgit2_shutdown(); }

/* Changed or new files below the folder; what .gitignore leaves out is left out. */
static bool is_dirty(git_repository *repo, const char *dir)
{
    const char *work = git_repository_workdir(repo);
    git_status_options options;
    cleanup(list_free) git_status_list *list = NULL;
    if (!work || git_status_options_init(&options, GIT_STATUS_OPTIONS_VERSION) < 0)
        return false;
    size_t len = strlen(work);
    const char *below = strncmp(dir, work, len) == 0 ? dir + len : "";
    char *paths[] = {(char *)below};
    options.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR;
    options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_DISABLE_PATHSPEC_MATCH;
    if (*below) {
        options.pathspec.strings = paths;
        options.pathspec.count = 1;
    }
    return git_status_list_new(&list, repo, &options) < 0 || git_status_list_entrycount(list) > 0;
}

bool vcs_state_read(const char *dir, struct vcs_state *ret_state)
{
    cleanup(library_end) int started = git_libgit2_init();
    cleanup(repo_free) git_repository *repo = NULL;
    git_oid head;
    if (started < 0 || git_repository_open_ext(&repo, dir, 0, NULL) < 0 ||
        git_reference_name_to_id(&head, repo, "HEAD") < 0)
        return false;
    git_oid_tostr(ret_state->revision, sizeof ret_state->revision, &head);
    ret_state->dirty = is_dirty(repo, dir);
    return true;
}
