/** Photographs made smaller before they are kept or sent: a telephone's own are of many megabytes. */

import type { Handed } from "./model";

const LONGEST_PX = 1600;
const QUALITY = 0.75;

/** A file as it is handed in; a photograph as a JPEG of at most 1600 pixels. */
export async function handed(file: File): Promise<Handed> {
  const smaller = file.type.startsWith("image/") ? await shrunk(file) : null;
  if (smaller) return { name: file.name.replace(/\.\w+$/, "") + ".jpg", data: await base64(smaller) };
  return { name: file.name, data: await base64(file) };
}

async function shrunk(file: File): Promise<Blob | null> {
  let image: ImageBitmap;
  try {
    image = await createImageBitmap(file);
  } catch {
    return null; // a kind of picture that this browser does not know
  }
  const scale = Math.min(1, LONGEST_PX / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

async function base64(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}
