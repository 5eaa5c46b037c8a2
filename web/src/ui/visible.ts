/** Svelte action: tells when the element comes into and goes out of sight. */
export function visible(node: Element, tell: (seen: boolean) => void): { destroy: () => void } {
  const observer = new IntersectionObserver((entries) => tell(entries.at(-1)!.isIntersecting), { rootMargin: "120px" });
  observer.observe(node);
  return { destroy: () => observer.disconnect() };
}

/** Svelte action: tells the element's width in CSS pixels, now and whenever it changes. */
export function width(node: HTMLElement, tell: (px: number) => void): { destroy: () => void } {
  const observer = new ResizeObserver(() => tell(node.clientWidth));
  observer.observe(node);
  return { destroy: () => observer.disconnect() };
}
