/** The names of those an event is for. A place's name is its audience, its conversation and its key in one. */
export const EVERYONE = "*";
export const userAudience = (userId: string): string => `u:${userId}`;
export const sessionAudience = (sessionId: string): string => `s:${sessionId}`;
export const groupPlace = (groupId: string): string => `g:${groupId}`;
export const roomPlace = (roomId: string): string => `r:${roomId}`;
/** The id inside the name of a place or of a user's audience. */
export const idOf = (name: string): string => name.slice(2);
export const isGroupPlace = (name: string): boolean => name.startsWith("g:");
export const isRoomPlace = (name: string): boolean => name.startsWith("r:");
