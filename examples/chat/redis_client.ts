// The clients of Redis that the chat has, of a package that nobody downloads who does
// not ask for it by `--redis`.

const PACKAGE: string = "npm:redis@6.3.1";

type Redis = typeof import("npm:redis@6.3.1");

/** A client of Redis. */
export type Client = ReturnType<typeof clientOf>;

/** Two clients: one that asks, and one that only listens. */
export async function redisClients(url: string): Promise<[Client, Client]> {
  // A name that is not spelt out is not looked up before it is needed, and has no
  // type of its own.
  const redis = await import(PACKAGE) as Redis;
  return [clientOf(redis, url), clientOf(redis, url)];
}

function clientOf({ createClient }: Redis, url: string) {
  return createClient({
    url,
    disableOfflineQueue: true,
    maintNotifications: "disabled",
    socket: { reconnectStrategy: (n) => Math.min(100 * 2 ** n, 2000) },
  });
}
