import { StoreError } from "./errors.js";
import { bytesToSpare } from "./room.js";

/** Does a work that needs so much room on the disk, if it is there beside what was promised to others; else a StoreError "full". */
export type SpareRoom = <T>(bytes: number, work: () => Promise<T>) => Promise<T>;

export function createSpareRoom(dataDir: string): SpareRoom {
  let promised = 0;
  return async (bytes, work) => {
    if (bytesToSpare(dataDir) - promised < bytes) throw new StoreError("full");
    promised += bytes;
    try {
      return await work();
    } finally {
      promised -= bytes;
    }
  };
}
