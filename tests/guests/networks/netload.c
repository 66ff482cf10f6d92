/* An HTTP server without files, one connection at a time: netload PORT. GET /N gives N bytes, PUT takes what comes; connections are kept as
 * long as the client wants. Its own work is next to nothing, so that what is measured is the network. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char data[256 << 10];

static int fail(const char *what)
{
    fprintf(stderr, "netload: %s: %s\n", what, strerror(errno));
    return 1;
}

static int send_all(int to, const char *bytes, long count)
{
    while (count > 0) {
        long sent = send(to, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0)
            return -1;
        bytes += sent;
        count -= sent;
    }
    return 0;
}

/* Answers requests until the client goes. */
static void serve(int client)
{
    static char head[4096 + 1];
    long have = 0;
    for (;;) {
        head[have] = 0;
        char *end = strstr(head, "\r\n\r\n");
        if (!end) {
            long got = have < 4096 ? recv(client, head + have, 4096 - have, 0) : 0;
            if (got <= 0)
                return;
            have += got;
            continue;
        }

        long size = end + 4 - head, rest = have - size;
        char *field = strcasestr(head, "content-length:");
        long takes = field && field < end ? atol(field + 15) : 0;
        long gives = !strncmp(head, "GET /", 5) ? atol(head + 5) : 0;
        long taken = rest < takes ? rest : takes;
        memmove(head, head + size + taken, rest - taken);
        have = rest - taken;
        while (taken < takes) {
            long got = recv(client, data, takes - taken < (long)sizeof data ? takes - taken : (long)sizeof data, 0);
            if (got <= 0)
                return;
            taken += got;
        }

        char answer[128];
        int length = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", gives);
        if (gives <= (long)sizeof answer - length) { /* as one packet */
            memset(answer + length, '.', gives);
            length += gives;
            gives = 0;
        }
        if (send_all(client, answer, length))
            return;
        for (; gives > 0; gives -= sizeof data)
            if (send_all(client, data, gives < (long)sizeof data ? gives : (long)sizeof data))
                return;
    }
}

int main(int count, char **words)
{
    if (count != 2)
        return fprintf(stderr, "usage: netload PORT\n"), 2;
    int one = 1, server = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in place = { .sin_family = AF_INET, .sin_port = htons(atoi(words[1])) };
    if (bind(server, (struct sockaddr *)&place, sizeof place) || listen(server, 64))
        return fail("listen");
    memset(data, 'x', sizeof data);
    printf("NET-UP\n");
    fflush(stdout);
    for (;;) {
        int client = accept(server, NULL, NULL);
        if (client < 0)
            return fail("accept");
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        serve(client);
        close(client);
    }
}
