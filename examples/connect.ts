// The byte stream to the server that a URL names, for `websocket_stream.ts`.

/** How to do TLS as a client: what `Deno.connectTls` takes. */
export interface TlsOptions {
  /**
   * Certificates of authorities to trust besides those of the system, in PEM.
   *
   * @default {[]}
   */
  readonly caCerts?: readonly string[] | undefined;
  /** Our own certificate, in PEM, where the server wants one; with `key`. */
  readonly cert?: string | undefined;
  /** The key of `cert`, in PEM. */
  readonly key?: string | undefined;
  /**
   * Whether to take a certificate of another host.
   *
   * @default {false}
   */
  readonly unsafelyDisableHostnameVerification?: boolean | undefined;
}

/**
 * Connects to the server of a URL of ws: or wss:.
 *
 * @param url The URL
 * @param tls How to do TLS
 * @param signal Gives up
 * @returns The connection, over which nothing has been sent
 */
export async function connect(
  url: URL,
  tls: TlsOptions,
  signal: AbortSignal,
): Promise<Deno.Conn> {
  const isTls = url.protocol === "wss:" || url.protocol === "https:";
  // The brackets of an IPv6 address belong to the URL.
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
  if (!isTls) return await Deno.connect({ hostname, port, signal });

  const { caCerts = [], cert, key, ...rest } = tls;
  const options = {
    hostname,
    port,
    caCerts: [...caCerts],
    alpnProtocols: ["http/1.1"], // the handshake is one of HTTP/1.1
    unsafelyDisableHostnameVerification:
      rest.unsafelyDisableHostnameVerification ?? false,
  };
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError("Cannot connect with `cert` or `key` alone");
  }
  const connecting = Deno.connectTls(
    cert === undefined || key === undefined
      ? options
      : { ...options, cert, key },
  );
  // It knows of no signal: who comes too late is closed.
  const late = () => void connecting.then((conn) => conn.close(), () => {});
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    return await Promise.race([connecting, aborted.promise]);
  } catch (error) {
    late();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
