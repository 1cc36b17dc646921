/** Each hands the words typed so far to `trellis complete` and offers what it prints: a word, a tab, what it does. */
export const COMPLETION_SCRIPTS = {
  bash: `
_trellis() {
  local current=\${COMP_WORDS[COMP_CWORD]}
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(trellis complete -- "\${words[@]}" "$current" 2>/dev/null | cut -f1)" -- "$current"))
}
complete -o default -F _trellis trellis
`,
  zsh: `
#compdef trellis
_trellis() {
  local -a found
  local line
  while IFS=$'\\t' read -r word what; do
    found+=("\${word//:/\\\\:}:$what")
  done < <(trellis complete -- "\${words[@]:1:$((CURRENT - 1))}" 2>/dev/null)
  if (( \${#found} )); then _describe trellis found; else _files; fi
}
compdef _trellis trellis
`,
  fish: `
function __trellis_complete
  set -l words (commandline -opc)
  trellis complete -- $words[2..] (commandline -ct) 2>/dev/null
end
complete -c trellis -n 'test (count (__trellis_complete)) -gt 0' -f -a '(__trellis_complete)'
`,
} as const;

export function isShell(name: string): name is keyof typeof COMPLETION_SCRIPTS {
  return name in COMPLETION_SCRIPTS;
}
