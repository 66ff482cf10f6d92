/*
 * An agent for guests without QEMU's: answers requests of the host on a port, in the protocol of qemu-ga and in the order in which they come.
 *
 *   psvm-agent PORT
 *
 * No libc, no allocation but for what commands print. What it knows is in the table at the end; beside qemu-ga's there are psvm-exec,
 * psvm-exec-status and psvm-exec-kill, with which a command takes one round trip, its output comes piece by piece, and it can be ended, and
 * psvm-set-address, since a clone's first command waits for the address of its network adapter, which commands of a shell take long for.
 * Source of the protocol: QEMU, docs/interop/qemu-ga.rst and qga/qapi-schema.json.
 */

#include <asm/unistd.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

long sys(long a, long b, long c, long d, long e, long f, long number);
long spawn(void *stack_top, void (*child)(void), int *pidfd);

#define SYS0(n)                 sys(0, 0, 0, 0, 0, 0, n)
#define SYS1(n, a)              sys((long)(a), 0, 0, 0, 0, 0, n)
#define SYS2(n, a, b)           sys((long)(a), (long)(b), 0, 0, 0, 0, n)
#define SYS3(n, a, b, c)        sys((long)(a), (long)(b), (long)(c), 0, 0, 0, n)
#define SYS4(n, a, b, c, d)     sys((long)(a), (long)(b), (long)(c), (long)(d), 0, 0, n)
#define SYS6(n, a, b, c, d, e, f) sys((long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f), n)

#define EINTR 4
#define EAGAIN 11
#define AT_FDCWD -100
#define O_WRONLY 1
#define O_RDWR 2
#define O_CREAT 0100
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_NONBLOCK 04000
#define O_CLOEXEC 02000000
#define POLLIN 1
#define POLLOUT 4
#define SIGKILL 9
#define SIGPIPE 13

#define MOST_REQUEST    (256 << 10)     /* a request, as text */
#define MOST_OUTPUT     (4l << 20)      /* what a command may print before it is cut off, when its output comes at its end */
#define MOST_WAITING    (128l << 10)    /* and what it may print ahead, when its output comes piece by piece: it waits then */
#define PIECE           (48l << 10)     /* bytes in an answer */
#define FIRST_ROOM      (16l << 10)     /* bytes for what a command prints, at first */
#define FILES           16
#define PROCESSES       32
#define ARGUMENTS       256

/* Text */

static u64 length_of(const char *s)
{
    u64 n = 0;

    while (s[n])
        n++;
    return n;
}

void *memcpy(void *to, const void *from, u64 n)
{
    for (u64 i = 0; i < n; i++)
        ((u8 *)to)[i] = ((const u8 *)from)[i];
    return to;
}

void *memset(void *to, int value, u64 n)
{
    for (u64 i = 0; i < n; i++)
        ((u8 *)to)[i] = (u8)value;
    return to;
}

void *memmove(void *to, const void *from, u64 n)
{
    if (to <= from)
        return memcpy(to, from, n);
    while (n--)
        ((u8 *)to)[n] = ((const u8 *)from)[n];
    return to;
}

/* Answers: written to the port piece by piece, and as soon as they are complete. */

static int port;
static char answer[16 << 10];
static u64 answer_length;

static void flush(void)
{
    for (u64 done = 0; done < answer_length;) {
        long n = SYS3(__NR_write, port, answer + done, answer_length - done);

        if (n == -EINTR || n == -EAGAIN) {
            struct { int fd; short events, revents; } wait = { port, POLLOUT, 0 };

            SYS4(__NR_ppoll, &wait, 1, 0, 0);
            continue;
        }
        if (n <= 0)
            break;                      /* nobody is there; the next session begins with a question of its own */
        done += n;
    }
    answer_length = 0;
}

static void put(char c)
{
    if (answer_length == sizeof answer)
        flush();
    answer[answer_length++] = c;
}

static void put_text(const char *s)
{
    while (*s)
        put(*s++);
}

static void put_number(long value)
{
    char digits[20];
    int n = 0;
    u64 rest = value < 0 ? -(u64)value : (u64)value;

    if (value < 0)
        put('-');
    do {
        digits[n++] = '0' + rest % 10;
        rest /= 10;
    } while (rest);
    while (n)
        put(digits[--n]);
}

/* A string of JSON. Bytes that are no ASCII are taken for UTF-8, which they are in names that people give. */
static void put_string(const char *s, u64 n)
{
    put('"');
    for (u64 i = 0; i < n && s[i]; i++) {
        u8 c = (u8)s[i];

        if (c == '"' || c == '\\') {
            put('\\');
            put(c);
        } else if (c < 0x20) {
            put_text("\\u00");
            put("0123456789abcdef"[c >> 4]);
            put("0123456789abcdef"[c & 15]);
        } else {
            put(c);
        }
    }
    put('"');
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_base64(const u8 *bytes, u64 n)
{
    put('"');
    for (u64 i = 0; i < n; i += 3) {
        u32 three = (u32)bytes[i] << 16 | (i + 1 < n ? (u32)bytes[i + 1] << 8 : 0) | (i + 2 < n ? bytes[i + 2] : 0);

        put(base64[three >> 18]);
        put(base64[three >> 12 & 63]);
        put(i + 1 < n ? base64[three >> 6 & 63] : '=');
        put(i + 2 < n ? base64[three & 63] : '=');
    }
    put('"');
}

static void begin(void)
{
    put_text("{\"return\": ");
}

static int has_more(void);

/* An answer is complete. Those to requests that came together go together: each time that the host is told costs both. */
static void end(void)
{
    put_text("}\n");
    if (!has_more())
        flush();
}

static void answer_nothing(void)
{
    begin();
    put_text("{}");
    end();
}

/* What went wrong, and the number that the kernel gave; 0: none. */
static void fail(const char *class, const char *what, long number)
{
    put_text("{\"error\": {\"class\": \"");
    put_text(class);
    put_text("\", \"desc\": \"");
    put_text(what);
    if (number) {
        put_text(": error ");
        put_number(number < 0 ? -number : number);
    }
    put_text("\"}");
    end();
}

#define WRONG(what, number) fail("GenericError", what, number)

/* Requests: JSON, of which a complete object is there. Nothing here reads past its end, which is a NUL. */

static char request[MOST_REQUEST + 1];

static char *skip_space(char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
        p++;
    return p;
}

static char *skip_string(char *p)
{
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1])
            p++;
    return *p ? p + 1 : p;
}

static char *skip_value(char *p)
{
    int depth = 0;

    p = skip_space(p);
    do {
        if (*p == '"') {
            p = skip_string(p);
            continue;
        }
        if (*p == '{' || *p == '[')
            depth++;
        else if (*p == '}' || *p == ']')
            depth--;
        if (!*p || depth < 0)
            return p;
        p++;
    } while (depth > 0 || (*p && *p != ',' && *p != '}' && *p != ']' && *p != ':'));
    return p;
}

static int is_text(const char *p, const char *name)
{
    if (*p++ != '"')
        return 0;
    while (*name && *p == *name)
        p++, name++;
    return !*name && *p == '"';
}

/* The values of members, each the first of its name; null: there is none. One walk for all: a request's text is what an agent reads most of. */
static void members(char *object, int n, const char *const *names, char **values)
{
    for (int i = 0; i < n; i++)
        values[i] = 0;
    if (!object || *(object = skip_space(object)) != '{')
        return;
    for (char *p = skip_space(object + 1); *p == '"';) {
        char *key = p;

        p = skip_space(skip_string(p));
        if (*p != ':')
            return;
        p = skip_space(p + 1);
        for (int i = 0; i < n; i++) {
            if (!values[i] && is_text(key, names[i])) {
                values[i] = p;
                if (n == 1)
                    return;
            }
        }
        p = skip_space(skip_value(p));
        if (*p != ',')
            return;
        p = skip_space(p + 1);
    }
}

/* The value of a member; null: there is none. */
static char *member(char *object, const char *name)
{
    char *value;

    members(object, 1, &name, &value);
    return value;
}

static int is_number(const char *p)
{
    return p && (*p == '-' || (*p >= '0' && *p <= '9'));
}

static long number_of(const char *p)
{
    int negative = *p == '-';
    u64 value = 0;

    for (p += negative; *p >= '0' && *p <= '9'; p++)
        value = value * 10 + (*p - '0');
    return negative ? -(long)value : (long)value;
}

static u32 hex4(const char *p)
{
    u32 value = 0;

    for (int i = 0; i < 4; i++) {
        char c = p[i];

        if (c >= '0' && c <= '9')
            value = value << 4 | (u32)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            value = value << 4 | (u32)((c | 32) - 'a' + 10);
        else
            return 0xfffd;
    }
    return value;
}

/* Makes a string of C of a string of JSON, in its place: it is no longer than that. Null: it is none. */
static char *text_of(char *p)
{
    char *to, *text;

    if (!p || *p != '"')
        return 0;
    for (text = to = ++p; *p && *p != '"'; p++) {
        u32 c;

        if (*p != '\\' || !p[1]) {
            *to++ = *p;
            continue;
        }
        switch (*++p) {
        case 'b': *to++ = '\b'; continue;
        case 'f': *to++ = '\f'; continue;
        case 'n': *to++ = '\n'; continue;
        case 'r': *to++ = '\r'; continue;
        case 't': *to++ = '\t'; continue;
        case 'u': break;
        default: *to++ = *p; continue;
        }
        for (int i = 1; i <= 4; i++)
            if (!p[i])
                return 0;
        c = hex4(p + 1);
        p += 4;
        if (c >= 0xd800 && c < 0xdc00 && p[1] == '\\' && p[2] == 'u' && p[3] && p[4] && p[5] && p[6]) {
            c = 0x10000 + ((c - 0xd800) << 10) + ((hex4(p + 3) - 0xdc00) & 0x3ff);
            p += 6;
        }
        if (c >= 0x10000) {
            *to++ = (char)(0xf0 | c >> 18);
            *to++ = (char)(0x80 | (c >> 12 & 63));
            *to++ = (char)(0x80 | (c >> 6 & 63));
            *to++ = (char)(0x80 | (c & 63));
        } else if (c >= 0x800) {
            *to++ = (char)(0xe0 | c >> 12);
            *to++ = (char)(0x80 | (c >> 6 & 63));
            *to++ = (char)(0x80 | (c & 63));
        } else if (c >= 0x80) {
            *to++ = (char)(0xc0 | c >> 6);
            *to++ = (char)(0x80 | (c & 63));
        } else {
            *to++ = (char)c;
        }
    }
    *to = 0;
    return text;
}

/* Decodes base64 in its place. -1: it is none. */
static long bytes_of(char *text)
{
    u8 *to = (u8 *)text;
    u32 bits = 0;
    int count = 0;

    for (char *p = text; *p && *p != '='; p++) {
        int digit = *p >= 'A' && *p <= 'Z' ? *p - 'A' : *p >= 'a' && *p <= 'z' ? *p - 'a' + 26
            : *p >= '0' && *p <= '9' ? *p - '0' + 52 : *p == '+' ? 62 : *p == '/' ? 63 : -1;

        if (digit < 0)
            return -1;
        bits = bits << 6 | (u32)digit;
        if ((count += 6) >= 8)
            *to++ = (u8)(bits >> (count -= 8));
    }
    return (long)(to - (u8 *)text);
}

/* Commands of the guest */

struct output {
    int fd;             /* the pipe that the command writes to; -1: it has closed that */
    u8 *bytes;
    long start, count, room;
    int truncated;
};

struct process {
    int pid;            /* 0: the place is free */
    int pidfd;          /* -1: it has ended */
    int status;
    int streams;        /* its output comes piece by piece */
    int input;          /* the pipe that it reads; -1: it has all */
    u8 *input_bytes;
    long input_length, input_done;
    u64 order;
    struct output out, err;
};

static struct process processes[PROCESSES];
static u64 processes_made;

static void *pages(long bytes)
{
    long address = SYS6(__NR_mmap, 0, bytes, 3, 0x22, -1, 0);

    return address < 0 && address > -4096 ? 0 : (void *)address;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        SYS1(__NR_close, *fd);
    *fd = -1;
}

/* Descriptors of what has ended. They are closed once the answer is on its way, which needs none of that, and has somebody who waits for it. */
static int leavings[8];
static int leaving;

static void leave_fd(int *fd)
{
    if (leaving == sizeof leavings / sizeof leavings[0]) {
        close_fd(fd);
        return;
    }
    leavings[leaving++] = *fd;
    *fd = -1;
}

static void close_leavings(void)
{
    while (leaving)
        close_fd(&leavings[--leaving]);
}

static void release(struct output *output)
{
    close_fd(&output->fd);
    if (output->bytes)
        SYS2(__NR_munmap, output->bytes, output->room);
    output->bytes = 0;
    output->start = output->count = output->room = 0;
}

static void forget(struct process *process)
{
    release(&process->out);
    release(&process->err);
    close_fd(&process->input);
    close_fd(&process->pidfd);
    if (process->input_bytes)
        SYS2(__NR_munmap, process->input_bytes, process->input_length);
    process->input_bytes = 0;
    process->pid = 0;
}

/* A free place, or that of the command that has ended longest ago and nobody asked for. */
static struct process *find_place(void)
{
    struct process *oldest = 0;

    for (int i = 0; i < PROCESSES; i++) {
        if (!processes[i].pid)
            return &processes[i];
        if (processes[i].pidfd < 0 && (!oldest || processes[i].order < oldest->order))
            oldest = &processes[i];
    }
    if (oldest)
        forget(oldest);
    return oldest;
}

static struct process *find_process(char *arguments)
{
    char *pid = member(arguments, "pid");

    for (int i = 0; is_number(pid) && i < PROCESSES; i++)
        if (processes[i].pid && processes[i].pid == number_of(pid))
            return &processes[i];
    WRONG("expected the pid of a command that was started, found another", 0);
    return 0;
}

static long most_of(const struct process *process)
{
    return process->streams ? MOST_WAITING : MOST_OUTPUT;
}

/* Whether there is room for more of what it prints; without, a command whose output is wanted at its end is cut off. */
static int takes(const struct process *process, const struct output *output)
{
    return output->fd >= 0 && (!process->streams || output->count < MOST_WAITING);
}

static void read_output(struct process *process, struct output *output)
{
    static u8 lost[4096];
    u8 *to = lost;
    long room = sizeof lost, n;

    if (!output->room) {                /* most commands print nothing, and need no room to say so */
        n = SYS3(__NR_read, output->fd, lost, sizeof lost);
        if (n == -EINTR || n == -EAGAIN)
            return;
        if (n <= 0) {
            leave_fd(&output->fd);
        } else if (!(output->bytes = pages(FIRST_ROOM))) {
            output->truncated = 1;
        } else {
            memcpy(output->bytes, lost, n);
            output->room = FIRST_ROOM;
            output->count = n;
        }
        return;
    }
    if (output->start && output->start == output->count + output->start)
        output->start = 0;
    if (output->start + output->count + 4096 > output->room && output->count < most_of(process)) {
        if (output->start >= 4096) {
            memmove(output->bytes, output->bytes + output->start, output->count);
            output->start = 0;
        } else if (output->room < most_of(process) + 8192) {
            long larger = output->room * 2;
            u8 *bytes = pages(larger);

            if (bytes) {
                memcpy(bytes, output->bytes + output->start, output->count);
                SYS2(__NR_munmap, output->bytes, output->room);
                output->bytes = bytes;
                output->start = 0;
                output->room = larger;
            }
        }
    }
    if (output->count < most_of(process) && output->room > output->start + output->count) {
        to = output->bytes + output->start + output->count;
        room = output->room - output->start - output->count;
        if (room > most_of(process) - output->count)
            room = most_of(process) - output->count;
    }
    n = SYS3(__NR_read, output->fd, to, room);
    if (n == -EINTR || n == -EAGAIN)
        return;
    if (n <= 0)
        leave_fd(&output->fd);
    else if (to == lost)
        output->truncated = 1;
    else
        output->count += n;
}

static void write_input(struct process *process)
{
    long n = SYS3(__NR_write, process->input, process->input_bytes + process->input_done, process->input_length - process->input_done);

    if (n == -EINTR || n == -EAGAIN)
        return;
    if (n > 0)
        process->input_done += n;
    if (n <= 0 || process->input_done == process->input_length)
        close_fd(&process->input);
}

static int has_ended(const struct process *process)
{
    return process->pidfd < 0;
}

/* It has ended, and so has what it prints; or its children that still may print are not waited for. */
static int is_complete(const struct process *process)
{
    return has_ended(process) && process->out.fd < 0 && process->err.fd < 0;
}

/* What the child does, in our memory, on a stack of its own, with what it is told here. */
static struct {
    char *path;
    char *arguments[ARGUMENTS + 2];
    char *environment[ARGUMENTS + 1];
    int in, out, err;
    long failure;
} child;

static u8 child_stack[16 << 10] __attribute__((aligned(16)));

static void run_child(void)
{
    static const char *const folders[] = { "/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/", 0 };
    static char path[4096];
    u64 action[4] = { 0, 0, 0, 0 };
    u64 n = length_of(child.path);
    int searched = 1;
    long failure = 0;

    SYS0(__NR_setsid);
    SYS4(__NR_rt_sigaction, SIGPIPE, action, 0, 8);
    SYS3(__NR_dup3, child.in, 0, 0);
    SYS3(__NR_dup3, child.out, 1, 0);
    SYS3(__NR_dup3, child.err, 2, 0);
    for (u64 i = 0; i < n; i++)
        if (child.path[i] == '/')
            searched = 0;
    if (!searched)
        failure = SYS3(__NR_execve, child.path, child.arguments, child.environment);
    for (int i = 0; searched && folders[i] && n < 4000; i++) {
        u64 prefix = length_of(folders[i]);

        memcpy(path, folders[i], prefix);
        memcpy(path + prefix, child.path, n + 1);
        failure = SYS3(__NR_execve, path, child.arguments, child.environment);
    }
    child.failure = failure ? failure : -2;     /* ENOENT */
    SYS1(__NR_exit, 127);
}

/* What reads as empty and takes all: opened once. */
static int null_device(void)
{
    static int null = -1;

    if (null < 0)
        null = (int)SYS4(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
    return null;
}

/* Strings of an array, into places of which the last stays null. 0: it is none, or has too many. */
static int read_strings(char *array, char **to, int most)
{
    int n = 0;

    to[0] = 0;
    if (!array)
        return 1;
    if (*array != '[')
        return 0;
    for (char *p = skip_space(array + 1); *p == '"';) {
        char *next = skip_space(skip_string(p));
        char after = *next;

        if (n == most || !(to[n] = text_of(p)))
            return 0;
        to[++n] = 0;
        if (after != ',')
            return after == ']';
        p = skip_space(next + 1);
    }
    return n == 0;
}

static char **inherited;

/* Starts what a request asks for. Members are looked up before their strings are made strings of C, which destroys the text between. */
static struct process *start(char *arguments, int streams)
{
    static char *default_environment[] = { "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/", "TERM=dumb", 0 };
    static const char *const names[] = { "path", "arg", "env", "input-data", "capture-output" };
    char *values[5];

    members(arguments, 5, names, values);

    char *path = values[0], *arg = values[1], *env = values[2], *input = values[3], *capture = values[4];
    int captures = streams || (capture && (*capture == 't' || is_text(capture, "separated")));
    int merges = capture && is_text(capture, "merged");
    int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
    struct process *process = find_place();
    long pid = -1, input_length = 0;
    int pidfd = -1;

    if (!process) {
        WRONG("too many commands run", 0);
        return 0;
    }
    if (!read_strings(arg, child.arguments + 1, ARGUMENTS) || !read_strings(env, child.environment, ARGUMENTS)
        || !(child.path = text_of(path)) || (input && (!(input = text_of(input)) || (input_length = bytes_of(input)) < 0))) {
        WRONG("expected a path, and strings as arguments, environment and base64 input, found something else", 0);
        return 0;
    }
    if (!env) {
        char **from = inherited[0] ? inherited : default_environment;

        for (int i = 0; i < ARGUMENTS && from[i]; i++) {
            child.environment[i] = from[i];
            child.environment[i + 1] = 0;
        }
    }
    child.arguments[0] = child.path;
    process->input_bytes = 0;
    if (input_length > 0 && (SYS2(__NR_pipe2, in, O_CLOEXEC) < 0 || !(process->input_bytes = pages(input_length))))
        goto failed;
    if (captures || merges) {
        if (SYS2(__NR_pipe2, out, O_CLOEXEC) < 0 || (!merges && SYS2(__NR_pipe2, err, O_CLOEXEC) < 0))
            goto failed;
        child.out = out[1];
        child.err = merges ? out[1] : err[1];
    } else {
        child.out = child.err = null_device();
    }
    child.in = input_length > 0 ? in[0] : null_device();
    child.failure = 0;
    pid = spawn(child_stack + sizeof child_stack, run_child, &pidfd);
    close_fd(&in[0]);
    close_fd(&out[1]);
    close_fd(&err[1]);
    if (pid < 0 || child.failure) {
        if (pid > 0)
            SYS4(__NR_wait4, pid, 0, 0, 0);
        pid = pid < 0 ? pid : child.failure;
        goto failed;
    }
    process->pid = (int)pid;
    process->pidfd = pidfd;
    process->status = 0;
    process->streams = streams;
    process->order = ++processes_made;
    process->out = (struct output){ .fd = out[0] };
    process->err = (struct output){ .fd = err[0] };
    process->input = in[1];
    process->input_length = input_length;
    process->input_done = 0;
    if (input_length > 0) {
        memcpy(process->input_bytes, input, input_length);
        SYS3(__NR_fcntl, process->input, 4, O_NONBLOCK | O_WRONLY);
    }
    return process;

failed:
    if (process->input_bytes)
        SYS2(__NR_munmap, process->input_bytes, input_length);
    process->input_bytes = 0;
    close_fd(&pidfd);
    for (int i = 0; i < 2; i++) {
        close_fd(&in[i]);
        close_fd(&out[i]);
        close_fd(&err[i]);
    }
    WRONG("cannot start the command", pid);
    return 0;
}

static void put_output(const char *data, const char *truncated, struct output *output, long most)
{
    long n = output->count < most ? output->count : most;

    if (n > 0) {
        put_text(data);
        put_base64(output->bytes + output->start, n);
        output->start += n;
        output->count -= n;
    }
    if (output->truncated)
        put_text(truncated);
}

static void put_end(const struct process *process)
{
    int signal = process->status & 0x7f;

    put_text(signal ? ", \"signal\": " : ", \"exitcode\": ");
    put_number(signal ? signal : process->status >> 8 & 0xff);
}

static void exec(char *arguments)
{
    struct process *process = start(arguments, 0);

    if (process) {
        begin();
        put_text("{\"pid\": ");
        put_number(process->pid);
        put_text("}");
        end();
    }
}

static void exec_status(char *arguments)
{
    struct process *process = find_process(arguments);

    if (!process)
        return;
    begin();
    if (!is_complete(process)) {
        put_text("{\"exited\": false}");
        end();
        return;
    }
    put_text("{\"exited\": true");
    put_end(process);
    put_output(", \"out-data\": ", ", \"out-truncated\": true", &process->out, MOST_OUTPUT);
    put_output(", \"err-data\": ", ", \"err-truncated\": true", &process->err, MOST_OUTPUT);
    put_text("}");
    end();
    forget(process);
}

static int serve(int want_port, long milliseconds);

/* What there is of a command that was started to tell of it so: after a wait for its end, which other requests end. */
static void tell(struct process *process, long wait)
{
    long waited = 0;
    int complete;

    while (!is_complete(process) && process->out.count < PIECE && process->err.count < PIECE && waited < wait) {
        struct { long seconds, nanoseconds; } from, to;
        int asked;

        SYS2(__NR_clock_gettime, 1, &from);
        asked = serve(1, wait - waited);
        if (asked || is_complete(process))
            break;
        SYS2(__NR_clock_gettime, 1, &to);
        waited += (to.seconds - from.seconds) * 1000 + (to.nanoseconds - from.nanoseconds) / 1000000;
    }
    complete = is_complete(process) && process->out.count <= PIECE && process->err.count <= PIECE;
    begin();
    put_text("{\"pid\": ");
    put_number(process->pid);
    put_text(complete ? ", \"exited\": true" : ", \"exited\": false");
    if (complete)
        put_end(process);
    put_output(", \"out-data\": ", "", &process->out, PIECE);
    put_output(", \"err-data\": ", "", &process->err, PIECE);
    put_text("}");
    end();
    if (complete)
        forget(process);
}

static long wait_of(char *arguments)
{
    char *wait = member(arguments, "wait");
    long milliseconds = is_number(wait) ? number_of(wait) : 0;

    return milliseconds < 0 ? 0 : milliseconds > 10000 ? 10000 : milliseconds;
}

static void psvm_exec(char *arguments)
{
    long wait = wait_of(arguments);
    struct process *process = start(arguments, 1);

    if (process)
        tell(process, wait);
}

static void psvm_exec_status(char *arguments)
{
    long wait = wait_of(arguments);
    struct process *process = find_process(arguments);

    if (process)
        tell(process, wait);
}

/* Ends a command, and all that is in its session: nobody waits for it any more. */
static void psvm_exec_kill(char *arguments)
{
    struct process *process = find_process(arguments);

    if (!process)
        return;
    if (!has_ended(process)) {
        SYS2(__NR_kill, -process->pid, SIGKILL);
        SYS2(__NR_kill, process->pid, SIGKILL);
        SYS4(__NR_wait4, process->pid, 0, 0, 0);
    }
    forget(process);
    answer_nothing();
}

/* Files */

static int files[FILES];        /* their descriptors, and one more; 0: the place is free */

static int *find_file(char *arguments)
{
    char *handle = member(arguments, "handle");
    long index = is_number(handle) ? number_of(handle) - 1 : -1;

    if (index >= 0 && index < FILES && files[index])
        return &files[index];
    WRONG("expected the handle of an open file, found another", 0);
    return 0;
}

static void file_open(char *arguments)
{
    char *path = member(arguments, "path"), *mode = member(arguments, "mode");
    int flags = 0, place = 0;
    long fd;

    if (mode && (mode = text_of(mode))) {
        int plus = mode[0] && (mode[1] == '+' || (mode[1] && mode[2] == '+'));

        flags = mode[0] == 'w' ? O_CREAT | O_TRUNC : mode[0] == 'a' ? O_CREAT | O_APPEND : 0;
        flags |= plus ? O_RDWR : mode[0] == 'r' ? 0 : O_WRONLY;
    }
    while (place < FILES && files[place])
        place++;
    if (place == FILES || !(path = text_of(path))) {
        WRONG("expected a path, and fewer files that are open, found others", 0);
        return;
    }
    fd = SYS4(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd < 0) {
        WRONG("cannot open the file", fd);
        return;
    }
    files[place] = (int)fd + 1;
    begin();
    put_number(place + 1);
    end();
}

static void file_close(char *arguments)
{
    int *file = find_file(arguments);

    if (file) {
        SYS1(__NR_close, *file - 1);
        *file = 0;
        answer_nothing();
    }
}

static void file_flush(char *arguments)
{
    int *file = find_file(arguments);
    long done = file ? SYS1(__NR_fsync, *file - 1) : 0;

    if (file && done < 0)
        WRONG("cannot flush the file", done);
    else if (file)
        answer_nothing();
}

static void file_read(char *arguments)
{
    static u8 bytes[PIECE];
    int *file = find_file(arguments);
    char *count = member(arguments, "count");
    long most = is_number(count) ? number_of(count) : 4096, n = 0;

    if (!file)
        return;
    most = most < 0 ? 0 : most > PIECE ? PIECE : most;
    while (most && (n = SYS3(__NR_read, *file - 1, bytes, most)) == -EINTR)
        ;
    if (n < 0) {
        WRONG("cannot read the file", n);
        return;
    }
    begin();
    put_text("{\"count\": ");
    put_number(n);
    put_text(", \"buf-b64\": ");
    put_base64(bytes, n);
    put_text(n < most && n == 0 ? ", \"eof\": true}" : ", \"eof\": false}");
    end();
}

static void file_write(char *arguments)
{
    int *file = find_file(arguments);
    char *bytes = member(arguments, "buf-b64"), *count = member(arguments, "count");
    long most = is_number(count) ? number_of(count) : MOST_REQUEST, n, done = 0;

    if (!file)
        return;
    if (!(bytes = text_of(bytes)) || (n = bytes_of(bytes)) < 0) {
        WRONG("expected bytes in base64, found something else", 0);
        return;
    }
    n = most >= 0 && most < n ? most : n;
    while (done < n) {
        long written = SYS3(__NR_write, *file - 1, bytes + done, n - done);

        if (written == -EINTR)
            continue;
        if (written < 0) {
            WRONG("cannot write the file", written);
            return;
        }
        done += written;
    }
    begin();
    put_text("{\"count\": ");
    put_number(done);
    put_text(", \"eof\": false}");
    end();
}

static void file_seek(char *arguments)
{
    int *file = find_file(arguments);
    char *offset = member(arguments, "offset"), *whence = member(arguments, "whence");
    long from = is_number(whence) ? number_of(whence) : whence && is_text(whence, "cur") ? 1 : whence && is_text(whence, "end") ? 2 : 0, at;

    if (!file)
        return;
    at = SYS3(__NR_lseek, *file - 1, is_number(offset) ? number_of(offset) : 0, from);
    if (at < 0) {
        WRONG("cannot seek in the file", at);
        return;
    }
    begin();
    put_text("{\"position\": ");
    put_number(at);
    put_text(", \"eof\": false}");
    end();
}

/* The machine */

static void get_time(char *arguments)
{
    struct { long seconds, nanoseconds; } now;

    (void)arguments;
    SYS2(__NR_clock_gettime, 0, &now);
    begin();
    put_number(now.seconds * 1000000000 + now.nanoseconds);
    end();
}

static void set_time(char *arguments)
{
    char *time = member(arguments, "time");
    long nanoseconds = is_number(time) ? number_of(time) : -1, done;
    struct { long seconds, nanoseconds; } now = { nanoseconds / 1000000000, nanoseconds % 1000000000 };

    if (nanoseconds < 0) {
        WRONG("expected a time in nanoseconds since 1970, found another", 0);
        return;
    }
    done = SYS2(__NR_clock_settime, 0, &now);
    if (done < 0)
        WRONG("cannot set the clock", done);
    else
        answer_nothing();
}

static void shut_down(char *arguments)
{
    char *mode = member(arguments, "mode");

    /* What busybox's init and ours hear: see reboot(8). Nothing is answered. */
    SYS0(__NR_sync);
    SYS2(__NR_kill, 1, mode && is_text(mode, "reboot") ? 15 : mode && is_text(mode, "halt") ? 10 : 12);
}

static struct { char system[65], node[65], release[65], version[65], machine[65], domain[65]; } names;

static void os_info(char *arguments)
{
    (void)arguments;
    SYS1(__NR_uname, &names);
    begin();
    put_text("{\"kernel-release\": ");
    put_string(names.release, 65);
    put_text(", \"kernel-version\": ");
    put_string(names.version, 65);
    put_text(", \"machine\": ");
    put_string(names.machine, 65);
    put_text("}");
    end();
}

static void host_name(char *arguments)
{
    (void)arguments;
    SYS1(__NR_uname, &names);
    begin();
    put_text("{\"host-name\": ");
    put_string(names.node, 65);
    put_text("}");
    end();
}

/* Network interfaces: two lists of the kernel's, of links and of addresses (rtnetlink(7)). */

#define INTERFACES 32
#define ADDRESSES 128

static struct { u32 index; char name[16]; u8 hardware[6]; int has_hardware; } interfaces[INTERFACES];
static struct { u32 index; u8 family, prefix, bytes[16]; } addresses[ADDRESSES];
static int interface_count, address_count;

static void note_link(const u8 *message, u32 length)
{
    if (interface_count == INTERFACES || length < 16)
        return;
    memset(&interfaces[interface_count], 0, sizeof interfaces[0]);
    interfaces[interface_count].index = *(const u32 *)(message + 4);
    for (u32 at = 16; at + 4 <= length;) {
        u16 size = *(const u16 *)(message + at), type = *(const u16 *)(message + at + 2);

        if (size < 4 || at + size > length)
            break;
        if (type == 3)                                  /* IFLA_IFNAME */
            memcpy(interfaces[interface_count].name, message + at + 4, size - 4 < 15 ? size - 4 : 15);
        if (type == 1 && size == 10) {                  /* IFLA_ADDRESS */
            memcpy(interfaces[interface_count].hardware, message + at + 4, 6);
            interfaces[interface_count].has_hardware = 1;
        }
        at += (size + 3u) & ~3u;
    }
    interface_count++;
}

static void note_address(const u8 *message, u32 length)
{
    u32 wanted;

    if (address_count == ADDRESSES || length < 8 || (message[0] != 2 && message[0] != 10))
        return;
    wanted = message[0] == 2 ? 4 : 16;
    for (u32 at = 8; at + 4 <= length;) {
        u16 size = *(const u16 *)(message + at), type = *(const u16 *)(message + at + 2);

        if (size < 4 || at + size > length)
            break;
        /* IFA_ADDRESS is the other end's where there is one; IFA_LOCAL, where it is there, is ours and comes behind it. */
        if ((type == 1 || type == 2) && size == 4 + wanted) {
            addresses[address_count].index = *(const u32 *)(message + 4);
            addresses[address_count].family = message[0];
            addresses[address_count].prefix = message[1];
            memcpy(addresses[address_count].bytes, message + at + 4, wanted);
        }
        at += (size + 3u) & ~3u;
    }
    address_count++;
}

static long dump(int socket, u16 type)
{
    static u8 buffer[32 << 10] __attribute__((aligned(8)));
    struct { u32 length; u16 type, flags; u32 sequence, port; u8 family, rest[15]; } ask = {
        .length = 32, .type = type, .flags = 0x301, .sequence = type };
    long n = SYS6(__NR_sendto, socket, &ask, sizeof ask, 0, 0, 0);

    while (n >= 0) {
        n = SYS6(__NR_recvfrom, socket, buffer, sizeof buffer, 0, 0, 0);
        for (long at = 0; n >= 16 && at + 16 <= n;) {
            u32 length = *(u32 *)(buffer + at);
            u16 kind = *(u16 *)(buffer + at + 4);

            if (length < 16 || at + length > n)
                return -1;
            if (kind == 3)                              /* NLMSG_DONE */
                return 0;
            if (kind == 2)                              /* NLMSG_ERROR */
                return *(int *)(buffer + at + 16);
            if (kind == 16)                             /* RTM_NEWLINK */
                note_link(buffer + at + 16, length - 16);
            if (kind == 20)                             /* RTM_NEWADDR */
                note_address(buffer + at + 16, length - 16);
            at += (length + 3) & ~3u;
        }
    }
    return n;
}

static void put_hex(u32 value, int least)
{
    int shift = 12;

    while (shift > 4 * (least - 1) && !(value >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        put("0123456789abcdef"[value >> shift & 15]);
}

static void put_address(const u8 *bytes, u8 family)
{
    int longest = -1, longest_length = 1;

    if (family == 2) {
        for (int i = 0; i < 4; i++) {
            if (i)
                put('.');
            put_number(bytes[i]);
        }
        return;
    }
    /* The longest run of zeros, of two groups at least, is "::" (RFC 5952). */
    for (int i = 0; i < 8; i++) {
        int n = 0;

        while (i + n < 8 && !bytes[2 * (i + n)] && !bytes[2 * (i + n) + 1])
            n++;
        if (n > longest_length) {
            longest = i;
            longest_length = n;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == longest) {
            put_text("::");
            i += longest_length - 1;
            continue;
        }
        if (i && i != longest + longest_length)
            put(':');
        put_hex((u32)bytes[2 * i] << 8 | bytes[2 * i + 1], 1);
    }
}

static void network(char *arguments)
{
    long socket = SYS3(__NR_socket, 16, 3 | O_CLOEXEC, 0), done;

    (void)arguments;
    interface_count = address_count = 0;
    done = socket < 0 ? socket : dump((int)socket, 18);
    if (done >= 0)
        done = dump((int)socket, 22);
    if (socket >= 0)
        SYS1(__NR_close, socket);
    if (done < 0) {
        WRONG("cannot list the network interfaces", done);
        return;
    }
    begin();
    put('[');
    for (int i = 0; i < interface_count; i++) {
        int first = 1;

        put_text(i ? ", {\"name\": " : "{\"name\": ");
        put_string(interfaces[i].name, 16);
        if (interfaces[i].has_hardware) {
            put_text(", \"hardware-address\": \"");
            for (int j = 0; j < 6; j++) {
                if (j)
                    put(':');
                put_hex(interfaces[i].hardware[j], 2);
            }
            put('"');
        }
        put_text(", \"ip-addresses\": [");
        for (int j = 0; j < address_count; j++) {
            if (addresses[j].index != interfaces[i].index)
                continue;
            put_text(first ? "{\"ip-address\": \"" : ", {\"ip-address\": \"");
            first = 0;
            put_address(addresses[j].bytes, addresses[j].family);
            put_text(addresses[j].family == 2 ? "\", \"ip-address-type\": \"ipv4\", \"prefix\": "
                : "\", \"ip-address-type\": \"ipv6\", \"prefix\": ");
            put_number(addresses[j].prefix);
            put('}');
        }
        put_text("]}");
    }
    put(']');
    end();
}

/* A change that the kernel is asked for: a message with one attribute, and its answer, a number. */
static long change(int socket, u16 type, u16 flags, const void *body, u32 body_length, u16 attribute, const u8 *value, u32 value_length)
{
    static u8 answer[1024] __attribute__((aligned(8)));
    struct { u32 length; u16 type, flags; u32 sequence, port; u8 rest[64]; } ask = { .type = type, .flags = flags | 5, .sequence = type };
    u16 header[2] = { (u16)(4 + value_length), attribute };
    long n;

    ask.length = 16 + body_length + 4 + value_length;
    memcpy(ask.rest, body, body_length);
    memcpy(ask.rest + body_length, header, 4);
    memcpy(ask.rest + body_length + 4, value, value_length);
    n = SYS6(__NR_sendto, socket, &ask, ask.length, 0, 0, 0);
    if (n >= 0)
        n = SYS6(__NR_recvfrom, socket, answer, sizeof answer, 0, 0, 0);
    return n < 0 ? n : n < 20 || *(u16 *)(answer + 4) != 2 ? -1 : *(int *)(answer + 16);
}

/* Six bytes in hexadecimal with colons between. 0: it is none. */
static int hardware_of(const char *text, u8 *to)
{
    if (!text || length_of(text) != 17)
        return 0;
    for (int i = 0; i < 6; i++) {
        char four[4] = { '0', '0', text[3 * i], text[3 * i + 1] };
        u32 value = hex4(four);

        if (value > 255 || (i < 5 && text[3 * i + 2] != ':'))
            return 0;
        to[i] = (u8)value;
    }
    return 1;
}

/* The address that IPv6 makes of one of hardware: fe80::/64, and EUI-64. */
static void link_local_of(const u8 *hardware, u8 *to)
{
    memset(to, 0, 16);
    to[0] = 0xfe;
    to[1] = 0x80;
    memcpy(to + 8, hardware, 3);
    to[8] ^= 2;
    to[11] = 0xff;
    to[12] = 0xfe;
    memcpy(to + 13, hardware + 3, 3);
}

/* Whether an interface is a device of the machine's, and none that was made of one and has its address. */
static int is_device(const char *name)
{
    static const char before[] = "/sys/class/net/", behind[] = "/device";
    char path[sizeof before + 16 + sizeof behind];
    u64 n = length_of(name);

    memcpy(path, before, sizeof before - 1);
    memcpy(path + sizeof before - 1, name, n);
    memcpy(path + sizeof before - 1 + n, behind, sizeof behind);
    return SYS3(__NR_faccessat, AT_FDCWD, path, 0) == 0;
}

/* Gives the adapter that has one address another, and IPv6 the one that follows from it where it had the other. An adapter that is not there is none
 * that has the wrong one. */
static void set_address(char *arguments)
{
    char *from_text = member(arguments, "from"), *to_text = member(arguments, "to");
    u8 from[6], to[6], from_ip[16], to_ip[16];
    long socket, done = 0;

    if (!hardware_of(text_of(from_text), from) || !hardware_of(text_of(to_text), to)) {
        WRONG("expected two addresses of hardware, found something else", 0);
        return;
    }
    link_local_of(from, from_ip);
    link_local_of(to, to_ip);
    interface_count = address_count = 0;
    socket = SYS3(__NR_socket, 16, 3 | O_CLOEXEC, 0);
    done = socket < 0 ? socket : dump((int)socket, 18);
    for (int i = 0; done >= 0 && i < interface_count; i++) {
        struct { u8 family, pad; u16 type; u32 index, flags, change; } link = { .index = interfaces[i].index };
        struct { u8 family, prefix, flags, scope; u32 index; } address = { 10, 64, 0, 0, interfaces[i].index };
        int same = interfaces[i].has_hardware;

        for (int j = 0; j < 6; j++)
            same &= interfaces[i].hardware[j] == from[j];
        if (!same || !is_device(interfaces[i].name))
            continue;
        done = change((int)socket, 19, 0, &link, sizeof link, 1, to, 6);                               /* RTM_SETLINK, IFLA_ADDRESS */
        if (done >= 0 && change((int)socket, 21, 0, &address, sizeof address, 2, from_ip, 16) >= 0)    /* RTM_DELADDR, IFA_LOCAL */
            change((int)socket, 20, 0x600, &address, sizeof address, 2, to_ip, 16);                    /* RTM_NEWADDR, exclusive, create */
        break;
    }
    if (socket >= 0)
        SYS1(__NR_close, socket);
    if (done < 0)
        WRONG("cannot set the address", done);
    else
        answer_nothing();
}

/* The protocol */

static void ping(char *arguments)
{
    (void)arguments;
    answer_nothing();
}

static void sync_session(char *arguments)
{
    char *id = member(arguments, "id");

    begin();
    put_number(is_number(id) ? number_of(id) : 0);
    end();
}

static void sync_delimited(char *arguments)
{
    put((char)0xff);
    sync_session(arguments);
}

static void info(char *arguments);

static const struct command { const char *name; void (*run)(char *arguments); int silent; } commands[] = {
    { "guest-sync-delimited", sync_delimited, 0 },
    { "guest-sync", sync_session, 0 },
    { "guest-ping", ping, 0 },
    { "guest-info", info, 0 },
    { "guest-get-time", get_time, 0 },
    { "guest-set-time", set_time, 0 },
    { "guest-shutdown", shut_down, 1 },
    { "guest-get-osinfo", os_info, 0 },
    { "guest-get-host-name", host_name, 0 },
    { "guest-network-get-interfaces", network, 0 },
    { "guest-exec", exec, 0 },
    { "guest-exec-status", exec_status, 0 },
    { "guest-file-open", file_open, 0 },
    { "guest-file-close", file_close, 0 },
    { "guest-file-read", file_read, 0 },
    { "guest-file-write", file_write, 0 },
    { "guest-file-seek", file_seek, 0 },
    { "guest-file-flush", file_flush, 0 },
    { "psvm-set-address", set_address, 0 },
    { "psvm-exec", psvm_exec, 0 },
    { "psvm-exec-status", psvm_exec_status, 0 },
    { "psvm-exec-kill", psvm_exec_kill, 0 },
};

#define COMMANDS (int)(sizeof commands / sizeof commands[0])

static void info(char *arguments)
{
    (void)arguments;
    begin();
    put_text("{\"version\": \"psvm-1\", \"supported_commands\": [");
    for (int i = 0; i < COMMANDS; i++) {
        put_text(i ? ", {\"enabled\": true, \"name\": \"" : "{\"enabled\": true, \"name\": \"");
        put_text(commands[i].name);
        put_text(commands[i].silent ? "\", \"success-response\": false}" : "\", \"success-response\": true}");
    }
    put_text("]}");
    end();
}

static void handle(char *text)
{
    static const char *const names[] = { "execute", "arguments" };
    char *values[2];

    members(text, 2, names, values);

    char *execute = values[0], *arguments = values[1];

    for (int i = 0; execute && i < COMMANDS; i++) {
        if (is_text(execute, commands[i].name)) {
            commands[i].run(arguments);
            return;
        }
    }
    fail("CommandNotFound", execute ? "expected a command that guest-info lists, found another" : "expected a request, found none", 0);
}

/* What came and is no complete request yet, and where in it we are. */
static char pending[64 << 10];
static long pending_count, pending_at;
static u64 request_length;
static int depth, in_string, escaped, too_long;

/* Whether there is more of requests that was not looked at. The end of a line is nothing: who waits for a command's end waits on. */
static int has_more(void)
{
    while (!depth && pending_at < pending_count && pending[pending_at] != '{' && (u8)pending[pending_at] != 0xff)
        pending_at++;
    return pending_at < pending_count;
}

/* Runs the next request that is there. 0: there is none. */
static int run_next(void)
{
    while (pending_at < pending_count) {
        char c = pending[pending_at++];

        if ((u8)c == 0xff) {                    /* a new session: what came before is nobody's */
            request_length = 0;
            depth = in_string = escaped = too_long = 0;
            continue;
        }
        if (!depth && c != '{')
            continue;
        if (request_length < MOST_REQUEST)
            request[request_length++] = c;
        else
            too_long = 1;
        if (in_string) {
            if (escaped)
                escaped = 0;
            else if (c == '\\')
                escaped = 1;
            else if (c == '"')
                in_string = 0;
            continue;
        }
        if (c == '"')
            in_string = 1;
        else if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0) {
            int lost = too_long;

            request[request_length] = 0;
            request_length = 0;
            too_long = 0;
            if (lost)
                WRONG("expected a request of 256 KiB at most, found a longer one", 0);
            else
                handle(request);
            return 1;
        }
    }
    pending_count = pending_at = 0;
    return 0;
}

/* Waits for something, and serves commands that run meanwhile. 1: a request, or a part of one, is there. */
static int serve(int want_port, long milliseconds)
{
    struct { int fd; short events, revents; } polls[1 + 4 * PROCESSES];
    struct { long seconds, nanoseconds; } timeout = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    int first[PROCESSES];               /* of the four of each command that there is */
    int n = 0;
    long ready;

    if (has_more())
        return 1;
    flush();
    close_leavings();
    polls[n].fd = want_port ? port : -1;
    polls[n++].events = POLLIN;
    for (int i = 0; i < PROCESSES; i++) {
        struct process *process = &processes[i];

        first[i] = n;
        if (!process->pid)
            continue;
        polls[n].fd = process->pidfd;
        polls[n++].events = POLLIN;
        polls[n].fd = takes(process, &process->out) ? process->out.fd : -1;
        polls[n++].events = POLLIN;
        polls[n].fd = takes(process, &process->err) ? process->err.fd : -1;
        polls[n++].events = POLLIN;
        polls[n].fd = process->input;
        polls[n++].events = POLLOUT;
    }
    for (int i = 0; i < n; i++)
        polls[i].revents = 0;
    ready = SYS4(__NR_ppoll, polls, n, milliseconds < 0 ? 0 : &timeout, 0);
    if (ready <= 0)
        return 0;
    for (int i = 0; i < PROCESSES; i++) {
        struct process *process = &processes[i];

        if (!process->pid)
            continue;
        if (polls[first[i] + 1].revents)
            read_output(process, &process->out);
        if (polls[first[i] + 2].revents)
            read_output(process, &process->err);
        if (polls[first[i] + 3].revents)
            write_input(process);
        if (polls[first[i]].revents) {
            SYS4(__NR_wait4, process->pid, &process->status, 0, 0);
            leave_fd(&process->pidfd);
        }
    }
    return polls[0].revents != 0;
}

static void receive(void)
{
    long n = SYS3(__NR_read, port, pending, sizeof pending);

    if (n > 0) {
        pending_count = n;
        pending_at = 0;
    } else if (n == 0 || (n != -EINTR && n != -EAGAIN)) {
        struct { long seconds, nanoseconds; } pause = { 0, 100000000 };

        SYS2(__NR_nanosleep, &pause, 0);        /* nobody is at the other end */
    }
}

void agent_main(u64 *stack)
{
    static char usage[] = "usage: psvm-agent PORT\n";
    u64 action[4] = { 1, 0, 0, 0 };             /* SIG_IGN */
    char **arguments = (char **)(stack + 1);

    if (stack[0] != 2) {
        SYS3(__NR_write, 2, usage, sizeof usage - 1);
        SYS1(__NR_exit_group, 2);
    }
    inherited = arguments + stack[0] + 1;
    SYS4(__NR_rt_sigaction, SIGPIPE, action, 0, 8);
    port = (int)SYS4(__NR_openat, AT_FDCWD, arguments[1], O_RDWR | O_CLOEXEC, 0);
    if (port < 0) {
        static char failed[] = "psvm-agent: cannot open the port\n";

        SYS3(__NR_write, 2, failed, sizeof failed - 1);
        SYS1(__NR_exit_group, 1);
    }
    for (int i = 0; i < PROCESSES; i++)
        processes[i].pidfd = processes[i].input = processes[i].out.fd = processes[i].err.fd = -1;
    for (;;) {
        while (run_next())
            ;
        if (serve(1, -1) && pending_at == pending_count)
            receive();
    }
}
