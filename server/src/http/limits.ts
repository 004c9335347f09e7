/** Every bound of the port, given by the caller (config.ts holds the defaults). 0 is not "unlimited" anywhere. */
export interface HttpLimits {
  /** From accept to the first bytes that tell the protocol; with TLS, the handshake. */
  readonly sniffTimeoutMs: number;
  /** HTTP/1.1: from the first byte of a request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** Both protocols: from the headers to the last byte of the request's body. Responses may take as long as they like. */
  readonly requestTimeoutMs: number;
  /** HTTP/1.1: a connection waiting for its next request. */
  readonly keepAliveTimeoutMs: number;
  /** HTTP/1.1: a connection within a request on which no byte moves either way. Must exceed the stream's heartbeat. */
  readonly stallTimeoutMs: number;
  /** HTTP/2: a session without an open stream. */
  readonly sessionIdleTimeoutMs: number;
  /** HTTP/2: a PING this often, on every session. */
  readonly pingIntervalMs: number;
  /** HTTP/2: a peer that has sent nothing at all this long after a PING is dead. */
  readonly pingTimeoutMs: number;
  /** Idle time before the kernel probes the peer. */
  readonly tcpKeepAliveMs: number;
  readonly maxConnections: number;
  /** Open at once from one address, and in one go. */
  readonly connectionsPerAddress: number;
  /** From one address, in the long run. */
  readonly newConnectionsPerSecond: number;
  readonly maxHeaderBytes: number;
  /** Header lines of one request; in HTTP/2 its four pseudo headers count. */
  readonly maxHeaderListPairs: number;
  /** HTTP/2: streams open at once in one session. */
  readonly maxConcurrentStreams: number;
  /** HTTP/2: streams of one session that end by a reset, in one go and in the long run. Node's own bound lies higher. */
  readonly maxStreamResets: number;
  readonly streamResetsPerSecond: number;
  readonly maxSessionMemoryMb: number;
}
