/** Addresses of things. */

export const twinHref = (id: string): string => `/twins/${encodeURIComponent(id)}`;
export const deviceHref = (id: string): string => `/devices/${encodeURIComponent(id)}`;
export const typeHref = (id: string): string => `/types/${encodeURIComponent(id)}`;
