/** What belongs to each app, in the order in which it came. */
export function groupedByApp<T extends { appId: string }>(ones: Iterable<T>): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of ones) {
    const group = groups.get(one.appId);
    if (group === undefined) groups.set(one.appId, [one]);
    else group.push(one);
  }
  return groups;
}
