/* SPDX-License-Identifier: Apache-2.0 */
/* A repository's files without a working tree: a bare clone, and then its tree is walked. So git
 * itself writes nothing that a hostile tree could lead astray; the caller checks each path. */
#include "vcs/vcs.h"

#include <git2.h>
#include <string.h>
#include "base/buf.h"

struct walk {
    const struct vcs_export *job;
    git_repository *repo;
    struct err *err;
    int r;
};

static void repo_free(git_repository **repo) { git_repository_free(*repo); }
static void object_free(git_object **object) { git_object_free(*object); }
static void tree_free(git_tree **tree) { git_tree_free(*tree); }
static void blob_free(git_blob **blob) { git_blob_free(*blob); }
static void entry_free(git_tree_entry **entry) { git_tree_entry_free(*entry); }
static void library_end(const int *started) { (void)started; git_libgit2_shutdown(); }

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* user@host:path, as ssh has it. */
static bool is_scp_like(const char *text)
{
    const char *at = strchr(text, '@'), *colon = strchr(text, ':'), *slash = strchr(text, '/');
    return at && colon && at < colon && (!slash || colon < slash);
}

static bool is_path(const char *text)
{
    return text[0] == '/' || starts_with(text, "./") || starts_with(text, "../") ||
           strcmp(text, ".") == 0 || strcmp(text, "..") == 0;
}

bool vcs_is_url(const char *text)
{
    return strstr(text, "://") || is_scp_like(text) || is_path(text);
}

static int check_url(const char *url, struct err *err)
{
    if (starts_with(url, "https://") || starts_with(url, "ssh://") || starts_with(url, "file://") ||
        is_scp_like(url) || is_path(url))
        return 0;
    int r = err_set(err, ERR_USAGE, "'%s' is not an address that can be cloned from", url);
    err_hint(err, "use https://, ssh://, user@host:path, file:// or a path; others can be tampered "
                  "with on the way");
    return r;
}

static int git_failed(const struct vcs_export *job, struct err *err, const char *what)
{
    if (job->cancelled && job->cancelled(job->env))
        return err_set(err, ERR_INTERRUPTED, "interrupted");
    const git_error *e = git_error_last();
    int r = err_set(err, ERR_NETWORK, "%s '%s': %s", what, job->url,
                    e && e->message ? e->message : "git gives no reason");
    if (e && e->klass == GIT_ERROR_SSL)
        err_hint(err, "the server's certificate was not accepted; SSL_CERT_FILE names other "
                      "authorities");
    else if (e && e->klass == GIT_ERROR_SSH)
        err_hint(err, "is the key in the ssh agent, and the host in ~/.ssh/known_hosts?");
    return r;
}

static int on_transfer(const git_indexer_progress *stats, void *env)
{
    const struct vcs_export *job = env;
    if (job->progress)
        job->progress(job->env, stats->received_objects, stats->total_objects);
    return job->cancelled && job->cancelled(job->env) ? GIT_EUSER : 0;
}

/* Only the agent: no prompt, no key files. The second try means that the first was refused. */
static int on_credentials(git_credential **out, const char *url, const char *user,
                          unsigned allowed, void *env)
{
    (void)url;
    (void)env;
    if (allowed & GIT_CREDENTIAL_USERNAME)
        return git_credential_username_new(out, user ? user : "git");
    if (allowed & GIT_CREDENTIAL_SSH_KEY)
        return git_credential_ssh_key_from_agent(out, user ? user : "git");
    git_error_set_str(GIT_ERROR_HTTP, "the server asks for a login");
    return GIT_EAUTH;
}

static int clone(const struct vcs_export *job, git_repository **ret_repo, struct err *err)
{
    git_clone_options options;
    if (git_clone_options_init(&options, GIT_CLONE_OPTIONS_VERSION) < 0)
        return err_set(err, ERR_FAILURE, "this libgit2 is not the one that was compiled against");
    options.bare = 1;
    /* The clone is thrown away, so a local one could share objects; copying is as safe as a remote
     * one, for the source may change meanwhile. */
    options.local = GIT_CLONE_NO_LOCAL;
    options.fetch_opts.callbacks.transfer_progress = on_transfer;
    options.fetch_opts.callbacks.credentials = on_credentials;
    options.fetch_opts.callbacks.payload = (void *)job;
    options.fetch_opts.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_ALL;
    options.fetch_opts.proxy_opts.type = GIT_PROXY_AUTO;
    if (git_clone(ret_repo, job->url, job->scratch, &options) < 0)
        return git_failed(job, err, "cannot clone");
    return 0;
}

/* A branch wins over a tag and a tag over anything else of that name. */
static int resolve(const struct vcs_export *job, git_repository *repo, git_object **ret_commit,
                   struct err *err)
{
    static const char *const forms[] = {"refs/remotes/origin/%s^{commit}", "refs/heads/%s^{commit}",
                                        "refs/tags/%s^{commit}", "%s^{commit}"};
    if (!job->ref) {
        if (git_revparse_single(ret_commit, repo, "HEAD^{commit}") == 0)
            return 0;
        return err_set(err, ERR_USAGE, "'%s' has no commit yet", job->url);
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct buf spec = BUF_INIT(4096);
        buf_printf(&spec, forms[i], job->ref);
        int r = spec.overflow ? -1 : git_revparse_single(ret_commit, repo, buf_str(&spec));
        buf_clear(&spec);
        if (r == 0)
            return 0;
    }
    return err_set(err, ERR_USAGE, "'%s' has no branch, tag or commit '%s'", job->url, job->ref);
}

static int find_tree(const struct vcs_export *job, git_repository *repo, git_tree **ret_tree,
                     struct err *err)
{
    cleanup(object_free) git_object *commit = NULL;
    int r = resolve(job, repo, &commit, err);
    if (r < 0)
        return r;
    cleanup(tree_free) git_tree *tree = NULL;
    if (git_commit_tree(&tree, (git_commit *)commit) < 0)
        return git_failed(job, err, "cannot read");
    if (!job->subdir) {
        *ret_tree = TAKE(tree);
        return 0;
    }
    cleanup(entry_free) git_tree_entry *entry = NULL;
    if (git_tree_entry_bypath(&entry, tree, job->subdir) < 0 ||
        git_tree_entry_type(entry) != GIT_OBJECT_TREE)
        return err_set(err, ERR_USAGE, "'%s' has no directory '%s'", job->url, job->subdir);
    if (git_tree_lookup(ret_tree, repo, git_tree_entry_id(entry)) < 0)
        return git_failed(job, err, "cannot read");
    return 0;
}

static int hand_out(struct walk *walk, const char *path, const git_tree_entry *entry)
{
    struct vcs_entry e = {.path = path};
    switch (git_tree_entry_filemode(entry)) {
    case GIT_FILEMODE_TREE:
        return 0;
    case GIT_FILEMODE_COMMIT:
        return err_set(walk->err, ERR_USAGE, "'%s' of '%s' is a submodule", path, walk->job->url);
    case GIT_FILEMODE_LINK:
        e.kind = VCS_SYMLINK;
        break;
    case GIT_FILEMODE_BLOB_EXECUTABLE:
        e.kind = VCS_EXECUTABLE;
        break;
    default:
        e.kind = VCS_FILE;
    }
    cleanup(blob_free) git_blob *blob = NULL;
    if (git_blob_lookup(&blob, walk->repo, git_tree_entry_id(entry)) < 0)
        return git_failed(walk->job, walk->err, "cannot read");
    e.data = git_blob_rawcontent(blob);
    e.len = (size_t)git_blob_rawsize(blob);
    return walk->job->entry(walk->job->env, &e, walk->err);
}

static int on_entry(const char *root, const git_tree_entry *entry, void *env)
{
    struct walk *walk = env;
    if (walk->job->cancelled && walk->job->cancelled(walk->job->env)) {
        walk->r = err_set(walk->err, ERR_INTERRUPTED, "interrupted");
        return -1;
    }
    struct buf path = BUF_INIT(4096);
    buf_printf(&path, "%s%s", root, git_tree_entry_name(entry));
    walk->r = path.overflow ? err_set(walk->err, ERR_LIMIT, "a path is longer than 4096 bytes")
                            : hand_out(walk, buf_str(&path), entry);
    buf_clear(&path);
    return walk->r < 0 ? -1 : 0;
}

int vcs_export(const struct vcs_export *job, struct err *err)
{
    int r = check_url(job->url, err);
    if (r < 0)
        return r;
    cleanup(library_end) int started = git_libgit2_init();
    if (started < 0)
        return err_set(err, ERR_FAILURE, "libgit2 cannot be initialised");
    cleanup(repo_free) git_repository *repo = NULL;
    r = clone(job, &repo, err);
    if (r < 0)
        return r;
    cleanup(tree_free) git_tree *tree = NULL;
    r = find_tree(job, repo, &tree, err);
    if (r < 0)
        return r;
    struct walk walk = {.job = job, .repo = repo, .err = err};
    if (git_tree_walk(tree, GIT_TREEWALK_PRE, on_entry, &walk) < 0 && walk.r == 0)
        return git_failed(job, err, "cannot read");
    return walk.r;
}
