const hues = 8;

/** Gives a face to an id: always the same colour, and the first letter of the name. */
export function paintAvatar(element: HTMLElement, id: string, name: string, shape = ""): void {
  let hash = 0;
  for (const letter of id) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 9973;
  element.className = `avatar hue-${hash % hues} ${shape}`;
  const [initial = "?"] = name.trim();
  element.textContent = initial.toUpperCase();
}
