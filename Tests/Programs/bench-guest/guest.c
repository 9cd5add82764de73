// What the Linux guest does that netemu-bench moves: the same as a node with `echod PORT`, and beside it a program that
// writes to so many MiB all the time, every word of them anew in each round.
// usage: guest PORT MEBIBYTES
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

static void rewrite(size_t bytes) {
    volatile uint64_t *words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED) exit(1);
    for (uint64_t round = 1;; round++)
        for (size_t at = 0; at < bytes / 8; at++) words[at] = round + at;
}

static void watch(int poll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

// A short write would need a queue; nobody here sends more than a few bytes.
static void echo(int fd) {
    char room[4096];
    ssize_t count = read(fd, room, sizeof room);
    if (count <= 0 || write(fd, room, count) != count) close(fd);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    size_t bytes = (size_t)atol(argv[2]) << 20;
    if (bytes && fork() == 0) rewrite(bytes);
    int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) return 1;
    watch(poll, listener);
    printf("guest: listens\n");
    fflush(stdout);
    for (;;) {
        struct epoll_event event;
        if (epoll_wait(poll, &event, 1, -1) != 1) continue;
        if (event.data.fd != listener) {
            echo(event.data.fd);
            continue;
        }
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(poll, fd);
    }
}
