/** Whether two stored forms of free data are the same. */
export function sameStruct(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0;
}
