// Light, dark, or as the system has it.

const KEY = "chat.theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };

export function installTheme(button) {
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = { auto: "◐", light: "☀", dark: "☾" }[theme];
    button.setAttribute("aria-label", `Colours: ${theme}. Change`);
    button.title = `Colours: ${theme}`;
    localStorage.setItem(KEY, theme);
  };
  const saved = localStorage.getItem(KEY);
  apply(saved in NEXT ? saved : "auto");
  button.addEventListener("click", () => apply(NEXT[document.documentElement.dataset.theme]));
}
