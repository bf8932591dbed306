/* Preloaded into adbd of the tests' phones: it listens on 127.0.0.1:$ADBD_PORT only, not on every address at 5555. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

/* What adbd starts should find a phone and not the means by which adbd came here. */
__attribute__((constructor)) static void hide(void) {
  unsetenv("LD_PRELOAD");
  unsetenv("LD_LIBRARY_PATH");
}

int bind(int descriptor, const struct sockaddr *address, socklen_t length) {
  int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
  const char *port = getenv("ADBD_PORT");
  if (port && address->sa_family == AF_INET6) {
    struct sockaddr_in6 mine = *(const struct sockaddr_in6 *)address;
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &mine.sin6_addr);
    mine.sin6_port = htons((unsigned short)atoi(port));
    return real(descriptor, (void *)&mine, sizeof mine);
  }
  if (port && address->sa_family == AF_INET) {
    struct sockaddr_in mine = *(const struct sockaddr_in *)address;
    mine.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    mine.sin_port = htons((unsigned short)atoi(port));
    return real(descriptor, (void *)&mine, sizeof mine);
  }
  return real(descriptor, address, length);
}
