// wsload: loads a WebSocket echo server on 127.0.0.1. One thread, epoll.
//
// usage: wsload PORT CONNECTIONS DEPTH SIZE SECONDS [DEFLATED]
//
// Each connection keeps DEPTH masked messages in flight and counts the messages
// that come back whole, each of SIZE bytes. With the file DEFLATED it offers
// permessage-deflate without context takeover on either side, and sends that
// file's bytes as one compressed text; then SIZE is what they inflate to, and the
// answers may have any length. The first quarter of the time warms up.
//
// Prints one line of JSON: messages per second, and the median and the 99th
// percentile of the time from when a message may be sent to when it is back, in
// microseconds, to some 2 %.
//
// With DEPTH 0 it opens the connections, prints {"open":CONNECTIONS} and holds
// them until its standard input ends, or SECONDS are over.
//
// It exits with 3 where a server declines permessage-deflate, and with 1 where
// anything else goes wrong, saying what.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 18, EVENTS = 256, DECLINED = 3 };

typedef struct {
  int fd;
  size_t to_send;      // bytes that may be sent now
  size_t sent;         // where in the burst the next byte is
  uint64_t *sent_at;   // since when each message in flight may be sent
  int oldest;          // the message in flight that comes back next
  unsigned char head[10];
  int have;            // how much of a head there is
  uint64_t payload;    // how much of the payload is still to come
  uint64_t length;     // of the message so far
  int fin;
} Conn;

static size_t size;
static int deflated;
static uint64_t messages;
// 32 steps for each doubling of a nanosecond.
static uint64_t histogram[64 * 32];

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int die(const char *what) {
  fprintf(stderr, "wsload: %s\n", what);
  exit(1);
}

static int step_of(uint64_t ns) {
  if (ns < 32) return (int)ns;
  int power = 63 - __builtin_clzll(ns);
  return (power - 4) * 32 + (int)((ns >> (power - 5)) & 31);
}

static double microseconds_of(int step) {
  if (step < 32) return step / 1e3;
  int power = step / 32 + 4;
  return ((double)(1ull << power) * (1 + (step % 32 + 0.5) / 32)) / 1e3;
}

static double percentile(double part) {
  uint64_t seen = 0;
  for (int i = 0; i < 64 * 32; i++) {
    seen += histogram[i];
    if ((double)seen >= part * (double)messages && seen > 0) {
      return microseconds_of(i);
    }
  }
  return 0;
}

// Opens one connection and goes through the opening handshake.
static int open_one(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, (void *)&address, sizeof address)) {
    die(strerror(errno));
  }
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct timeval patience = {.tv_sec = 10};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char request[512];
  int n = snprintf(
      request, sizeof request,
      "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Version: 13\r\n%s\r\n",
      port,
      deflated ? "Sec-WebSocket-Extensions: permessage-deflate; "
                 "server_no_context_takeover; client_no_context_takeover\r\n"
               : "");
  if (write(fd, request, n) != n) die("the request could not be written");
  char response[4096];
  size_t got = 0;
  // Byte by byte: what follows the head is not ours to read here.
  while (got < 4 || memcmp(response + got - 4, "\r\n\r\n", 4)) {
    if (got == sizeof response - 1) die("the response head is too long");
    if (read(fd, response + got, 1) <= 0) die("there was no response");
    got++;
  }
  response[got] = 0;
  if (strncmp(response, "HTTP/1.1 101", 12)) die(response);
  if (deflated) {
    if (!strcasestr(response, "permessage-deflate")) exit(DECLINED);
    if (!strcasestr(response, "server_no_context_takeover")) exit(DECLINED);
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

// Reads a file as a whole.
static unsigned char *contents(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) die(strerror(errno));
  fseek(file, 0, SEEK_END);
  *length = (size_t)ftell(file);
  rewind(file);
  unsigned char *bytes = malloc(*length);
  if (fread(bytes, 1, *length, file) != *length) die("a short file");
  fclose(file);
  return bytes;
}

// DEPTH frames, one behind the other. Gives the length of one.
static size_t make_burst(const unsigned char *payload, size_t length, int depth,
                         unsigned char **burst) {
  static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
  size_t head = length < 126 ? 2 : length < 65536 ? 4 : 10;
  size_t frame = head + 4 + length;
  *burst = malloc(frame * depth);
  for (int i = 0; i < depth; i++) {
    unsigned char *p = *burst + frame * i;
    p[0] = deflated ? 0xc1 : 0x82;
    p[1] = 0x80 | (head == 2 ? length : head == 4 ? 126 : 127);
    for (size_t k = 2; k < head; k++) p[k] = length >> 8 * (head - 1 - k);
    memcpy(p + head, key, 4);
    for (size_t j = 0; j < length; j++) p[head + 4 + j] = payload[j] ^ key[j & 3];
  }
  return frame;
}

// Counts the messages that are complete with these bytes; gives how many.
static int take(Conn *c, const unsigned char *p, size_t n, uint64_t time,
                int depth) {
  int done = 0;
  while (n > 0 || (c->have < 0 && c->payload == 0)) {
    if (c->have < 0) {
      uint64_t part = c->payload < n ? c->payload : n;
      c->payload -= part;
      p += part;
      n -= part;
      if (c->payload > 0) break;
      c->have = 0;
      if (!c->fin) continue;
      if (!deflated && c->length != size) die("an answer has another length");
      c->length = 0;
      int step = step_of(time - c->sent_at[c->oldest]);
      histogram[step]++;
      c->sent_at[c->oldest] = time;
      c->oldest = (c->oldest + 1) % depth;
      messages++;
      done++;
      continue;
    }
    c->head[c->have++] = *p++;
    n--;
    if (c->have < 2) continue;
    if (c->head[1] & 0x80) die("a server masked a frame");
    int code = c->head[1];
    int end = code < 126 ? 2 : code == 126 ? 4 : 10;
    if (c->have < end) continue;
    uint64_t length = code < 126 ? code : 0;
    for (int k = 2; k < end; k++) length = length << 8 | c->head[k];
    int opcode = c->head[0] & 15;
    if (opcode == 8) die("the server sent a close");
    if (opcode > 2) die("the server sent a control frame");
    if (opcode != 0 && !!(c->head[0] & 0x40) != deflated) {
      die(deflated ? "an answer is not compressed" : "an answer is compressed");
    }
    c->fin = c->head[0] >> 7;
    c->length += length;
    c->payload = length;
    c->have = -1;
  }
  return done;
}

int main(int argc, char **argv) {
  if (argc < 6) {
    fprintf(stderr,
            "usage: wsload PORT CONNECTIONS DEPTH SIZE SECONDS [DEFLATED]\n");
    return 2;
  }
  int port = atoi(argv[1]), count = atoi(argv[2]), depth = atoi(argv[3]);
  size = strtoul(argv[4], 0, 10);
  double seconds = atof(argv[5]);
  deflated = argc > 6;

  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  size_t length = size;
  unsigned char *payload;
  if (deflated) {
    payload = contents(argv[6], &length);
  } else {
    payload = malloc(size);
    for (size_t i = 0; i < size; i++) payload[i] = (unsigned char)(i * 31 + 7);
  }

  Conn *conns = calloc(count, sizeof *conns);
  for (int i = 0; i < count; i++) conns[i].fd = open_one(port);
  if (depth == 0) {
    printf("{\"open\":%d}\n", count);
    fflush(stdout);
    struct pollfd input = {.fd = 0, .events = POLLIN};
    poll(&input, 1, (int)(seconds * 1e3));
    return 0;
  }

  unsigned char *burst;
  size_t frame = make_burst(payload, length, depth, &burst);
  int ep = epoll_create1(0);
  uint64_t begin = now();
  for (int i = 0; i < count; i++) {
    Conn *c = &conns[i];
    c->to_send = frame * depth;
    c->sent_at = malloc(depth * sizeof *c->sent_at);
    for (int k = 0; k < depth; k++) c->sent_at[k] = begin;
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                            .data.u32 = (uint32_t)i};
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
  }

  static unsigned char buffer[READ_BYTES];
  struct epoll_event events[EVENTS];
  uint64_t counting = 0, time = begin;
  uint64_t warm = begin + (uint64_t)(seconds * 0.25e9);
  uint64_t end = begin + (uint64_t)(seconds * 1e9);
  while ((time = now()) < end) {
    if (counting == 0 && time >= warm) {
      counting = time;
      messages = 0;
      memset(histogram, 0, sizeof histogram);
    }
    int n = epoll_wait(ep, events, EVENTS, 50);
    for (int i = 0; i < n; i++) {
      Conn *c = &conns[events[i].data.u32];
      for (;;) {
        ssize_t r = read(c->fd, buffer, sizeof buffer);
        if (r == 0) die("the server closed a connection");
        if (r < 0) {
          if (errno != EAGAIN) die(strerror(errno));
          break;
        }
        c->to_send += frame * take(c, buffer, (size_t)r, now(), depth);
        if ((size_t)r < sizeof buffer) break;
      }
      while (c->to_send > 0) {
        size_t room = frame * depth - c->sent;
        size_t most = c->to_send < room ? c->to_send : room;
        ssize_t w = write(c->fd, burst + c->sent, most);
        if (w < 0) {
          if (errno != EAGAIN) die(strerror(errno));
          break;
        }
        c->sent = (c->sent + w) % (frame * depth);
        c->to_send -= w;
      }
    }
  }
  if (messages == 0) die("no message came back");
  double elapsed = (double)(time - counting) / 1e9;
  printf("{\"rate\":%.1f,\"median\":%.2f,\"p99\":%.2f,\"messages\":%llu}\n",
         (double)messages / elapsed, percentile(0.5), percentile(0.99),
         (unsigned long long)messages);
  return 0;
}
