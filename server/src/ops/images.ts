import type sharp from "sharp";

/** What an image shows of itself. */
interface ImageFacts {
  /** As it is shown, in pixels; 0 when it cannot be told. */
  width: number;
  height: number;
  /** A small WebP of its first picture, without what cameras write beside it; undefined when it cannot be made. */
  thumbnail: Buffer | undefined;
}

/** Opens images off the event loop. */
export interface ImageReader {
  /** Looks at a file; "too_large" when it claims more pixels than are ever decoded. Never throws for what the file holds. */
  look(file: string): Promise<ImageFacts | "too_large">;
}

export interface ImageReaderOptions {
  mostPixels: number;
  /** The largest width and height of a thumbnail, in pixels. */
  sidePixels: number;
  timeoutMs: number;
  /** Told, once, that images cannot be opened on this machine. */
  onMissing(error: unknown): void;
}

type Sharp = typeof sharp;

const NOTHING: ImageFacts = { width: 0, height: 0, thumbnail: undefined };
/** The decoders that are used; all others are switched off. */
const LOADERS = ["Jpeg", "Png", "Webp", "Nsgif"].map((name) => `VipsForeignLoad${name}File`);

/** Makes a reader. The library is loaded with the first image: a server without its binary goes on without thumbnails. */
export function createImageReader(options: ImageReaderOptions): ImageReader {
  let loading: Promise<Sharp | undefined> | undefined;
  return {
    async look(file) {
      loading ??= load().catch((error: unknown) => void options.onMissing(error));
      const open = await loading;
      return open === undefined ? NOTHING : await lookWith(open, file, options);
    },
  };
}

async function load(): Promise<Sharp> {
  const { default: library } = await import("sharp");
  library.cache(false);
  library.concurrency(1);
  library.block({ operation: ["VipsForeignLoad"] });
  library.unblock({ operation: LOADERS });
  return library;
}

async function lookWith(
  open: Sharp,
  file: string,
  { mostPixels, sidePixels, timeoutMs }: ImageReaderOptions,
): Promise<ImageFacts | "too_large"> {
  // The head alone is read for this, so here its pixels need no bound.
  const head = await open(file, { limitInputPixels: false }).metadata().catch(ignore);
  if (head === undefined) return NOTHING;
  if (head.width * head.height > mostPixels) return "too_large";
  const thumbnail = await open(file, { limitInputPixels: mostPixels, sequentialRead: true, autoOrient: true })
    .timeout({ seconds: Math.ceil(timeoutMs / 1000) })
    .resize(sidePixels, sidePixels, { fit: "inside", withoutEnlargement: true })
    .webp({ quality: 75 })
    .toBuffer()
    .catch(ignore);
  return { width: head.autoOrient.width, height: head.autoOrient.height, thumbnail };
}

/** What cannot be decoded has no picture; whose fault that is does not matter. */
function ignore(): undefined {
  return undefined;
}
