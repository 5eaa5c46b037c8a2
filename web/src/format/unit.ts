/** UCUM codes as people write them: Cel → °C, mm/s → mm/s, m/s2 → m/s². */

const ATOMS: Record<string, string> = {
  Cel: "°C",
  "[degF]": "°F",
  deg: "°",
  "'": "′",
  "''": "″",
  Ohm: "Ω",
  "[psi]": "psi",
  "[in_i]": "in",
  "[ft_i]": "ft",
  "[lb_av]": "lb",
  "[oz_av]": "oz",
  "[gal_us]": "gal",
  "[HP]": "hp",
  "[pH]": "pH",
  "[g]": "g₀",
  "[sin_i]": "in²",
  "[sft_i]": "ft²",
  "[foz_us]": "fl oz",
  "[ston_av]": "short ton",
  a: "yr",
  bar: "bar",
  cd: "cd",
};
const SUPERSCRIPT: Record<string, string> = { "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "5": "⁵", "6": "⁶", "7": "⁷", "8": "⁸", "9": "⁹" };
const ROTATION = /rotary|spindle|speed|rpm|revol/i;

function atom(text: string): string {
  const [, body = text, power = ""] = /^(.*?[^0-9+-]|10\*)([+-]?\d+)?$/.exec(text) ?? [];
  const raised = [...power.replace("+", "")].map((c) => SUPERSCRIPT[c] ?? c).join("");
  if (body === "10*" || body === "10^") return `10${raised}`;
  let name = ATOMS[body] ?? body;
  if (!(body in ATOMS)) {
    const micro = /^u([A-Za-z[].*)$/.exec(body);
    if (micro) name = `µ${ATOMS[micro[1]!] ?? micro[1]}`;
    else if (body.length > 1 && ATOMS[body.slice(1)] && /^[kMGmcd]/.test(body)) name = body[0] + ATOMS[body.slice(1)]!;
  }
  return name.replace(/[[\]]/g, "").replace(/_(us|br|av|i|tr|ap)$/, "") + raised;
}

/** `about`: the property's name or meaning; a plain "/min" of something that turns is told as r/min. */
export function humanUnit(code: string, about = ""): string {
  if (!code || code === "1") return "";
  if (code === "/min" && ROTATION.test(about)) return "r/min";
  if (/^\{rev(olution)?s?\}\/min$/.test(code)) return "r/min";
  return code
    .replace(/^\{[^}]*\}(?=\/)/, "")
    .replace(/\{([^}]*)\}/g, (_, note: string) => (code.startsWith("{") ? note : ""))
    .split(/([./])/)
    .map((piece) => (piece === "." ? "·" : piece === "/" ? "/" : piece && atom(piece)))
    .join("");
}

/** The degree sign of angles and the per cent sign stand close or with a thin space; words with a no-break space. */
export function withUnit(number: string, unit: string): string {
  if (!unit) return number;
  return unit === "°" || unit === "′" || unit === "″" ? number + unit : `${number}\u202f${unit}`;
}
