/** The languages of the screens, and the shape of a file of texts: every text in every language, beside each other. */

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;
export type Texts = Record<string, Record<Language, string>>;
