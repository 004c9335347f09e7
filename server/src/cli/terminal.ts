import { clearLine, createInterface, cursorTo } from "node:readline";

/** The lines typed, and a place above them to print to. */
export interface Terminal {
  lines: AsyncIterable<string>;
  print(text: string): void;
  setPrompt(text: string): void;
  prompt(): void;
  close(): void;
}

export function openTerminal(): Terminal {
  const { stdin: input, stdout: output } = process;
  const interactive = input.isTTY === true && output.isTTY === true;
  const reader = createInterface({ input, output, terminal: interactive });
  return {
    // Taken now, because lines that come before somebody iterates would be lost.
    lines: reader[Symbol.asyncIterator](),
    print(text) {
      if (!interactive) return void output.write(`${text}\n`);
      // What is being typed stays below what comes in.
      clearLine(output, 0);
      cursorTo(output, 0);
      output.write(`${text}\n`);
      reader.prompt(true);
    },
    setPrompt: (text) => reader.setPrompt(`${text}> `),
    prompt() {
      if (interactive) reader.prompt(true);
    },
    close: () => reader.close(),
  };
}
