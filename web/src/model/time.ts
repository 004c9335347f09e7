/** A protobuf timestamp, as much of it as is needed. */
interface Timestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Milliseconds since 1970; 0 when there is no time. */
export function timeMs(time: Timestamp | undefined): number {
  return time ? Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6) : 0;
}
