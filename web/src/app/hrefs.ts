/** Addresses of things. */

/** Ids may hold dots, and an address that ends in `.x` looks like a file to servers and proxies on the way. */
const noFile = (address: string): string => (address.includes(".") ? `${address}/view` : address);

export const twinHref = (id: string): string => noFile(`/twins/${encodeURIComponent(id)}`);
export const typeHref = (id: string): string => noFile(`/types/${encodeURIComponent(id)}`);
