/** Twins that Gemel makes of itself: its connectors, the platform. They have pages of their own and are no machines. */

export const isOwnType = (type: string): boolean => type.startsWith("gemel_");

export const isOwn = (twin: { types: readonly string[] }): boolean => twin.types.some(isOwnType);
