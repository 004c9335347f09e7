import { existsSync } from "node:fs";
import { tmpdir } from "node:os";

/** Where suites keep their files. In memory where the system has such a place: what is tested is not the disk, whose fsyncs take most of the time. */
export const TEMP_PARENT: string = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
