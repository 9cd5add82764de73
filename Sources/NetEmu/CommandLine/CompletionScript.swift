// Completion for shells, printed from the option tables: options, first words of their lists, keys behind
// commas. The tables are the only source; nothing here names an option.

/// The shells that a script is printed for.
enum CompletionShell: String, CaseIterable { case bash, zsh, fish }

enum CompletionScript {
    /// What a list can begin with, and the keys behind each beginning.
    struct Vocabulary: Sendable {
        let option: String
        let firstWords: [String]
        let keys: [(first: String, words: [String])]
    }

    static func text(for shell: CompletionShell) -> String {
        switch shell {
        case .bash: bash
        case .zsh: zsh
        case .fish: fish
        }
    }

    // MARK: words

    private static func keys(_ table: KeyTable, more: [String]) -> [String] {
        var seen: Set<String> = []
        return (more + table.known.map(\.name)).filter { seen.insert($0).inserted }.map { $0 + "=" }
    }

    static let vocabularies: [Vocabulary] = OptionTable.implemented.compactMap { row in
        guard !row.words.isEmpty else { return nil }
        let heads = row.grammar?.heads ?? []
        return Vocabulary(
            option: row.name, firstWords: row.words,
            keys: heads.map { ($0.word, keys($0.keys, more: row.grammar?.shared ?? [])) })
    }

    private static var options: [String] { OptionTable.implemented.map { "-" + $0.name } }
    private static let files = OptionTable.implemented.filter(\.namesFile).map(\.name)

    // MARK: scripts

    private static var bash: String {
        var cases = ""
        for vocabulary in vocabularies {
            let name = vocabulary.option
            cases += "    -\(name),*,*|--\(name),*,*)\n        case $current in\n"
            for (first, words) in vocabulary.keys {
                cases += "        \(first),*) words='\(words.joined(separator: " "))' stem=${current%,*}, ;;\n"
            }
            cases += "        esac ;;\n"
            cases += "    -\(name),*|--\(name),*) words='\(vocabulary.firstWords.joined(separator: " "))' ;;\n"
        }
        return """
            # bash completion for netemu(1); printed by `netemu -completion bash`.
            _netemu() {
                local line=${COMP_LINE:0:COMP_POINT} stem= words= word
                local current=${line##*[[:space:]]}
                local -a typed
                read -ra typed <<<"${line%"$current"}"
                local previous=${typed[${#typed[@]}-1]}
                COMPREPLY=()
                case $previous,$current in
            \(cases)    \(files.map { "-\($0),*" }.joined(separator: "|"))) compopt -o default; return ;;
                *,-*) words='\(options.joined(separator: " "))' ;;
                esac
                # readline's word begins behind the last = or :
                local cut=${current%"${current##*[=:]}"}
                for word in $words; do
                    word=$stem$word
                    [[ $word == "$current"* ]] && COMPREPLY+=("${word#"$cut"}")
                done
                [[ ${COMPREPLY[0]-} == -* ]] || compopt -o nospace 2>/dev/null
            }
            complete -F _netemu netemu
            """
    }

    private static var zsh: String {
        var cases = ""
        for vocabulary in vocabularies {
            cases += "    -\(vocabulary.option)|--\(vocabulary.option))\n"
            for (first, words) in vocabulary.keys {
                cases += "        if [[ $PREFIX == \(first),* ]]; then compset -P '*,'"
                cases += "; compadd -S '' -- \(words.joined(separator: " ")); return; fi\n"
            }
            cases += "        compadd -S '' -- \(vocabulary.firstWords.joined(separator: " ")) ;;\n"
        }
        return """
            #compdef netemu
            # zsh completion for netemu(1); printed by `netemu -completion zsh`.
            _netemu() {
                case ${words[CURRENT-1]} in
            \(cases)    \(files.map { "-\($0)" }.joined(separator: "|"))) _files ;;
                *) compadd -- \(options.joined(separator: " ")) ;;
                esac
            }
            if [[ ${funcstack[1]} == _netemu ]]; then _netemu "$@"; else compdef _netemu netemu; fi
            """
    }

    private static var fish: String {
        var cases = ""
        for vocabulary in vocabularies {
            for (first, words) in vocabulary.keys {
                cases += "    case '\(vocabulary.option) \(first)'\n        set words \(words.joined(separator: " "))\n"
            }
            let words = vocabulary.firstWords.joined(separator: " ")
            cases += "    case '\(vocabulary.option) '\n        set words \(words)\n"
        }
        var lines: [String] = []
        for row in OptionTable.implemented {
            let names = row.name.count == 1 ? ["-s \(row.name)"] : ["-o \(row.name)", "-l \(row.name)"]
            let hasWords = vocabularies.contains { $0.option == row.name }
            let words = hasWords ? " -x -a '(__netemu_words \(row.name))'" : row.argument == nil ? "" : " -r"
            let file = row.namesFile ? " -F" : ""
            for name in names {
                lines.append(
                    "complete -c netemu \(name)\(words)\(file) -d '\(row.help.replacing("'", with: "\\'"))'")
            }
        }
        return """
            # fish completion for netemu(1); printed by `netemu -completion fish`.
            function __netemu_words -a option
                set -l token (commandline -ct)
                set -l stem (string replace -r '[^,]*$' '' -- $token)
                set -l first (string replace -r ',.*' '' -- $stem)
                set -l words
                switch "$option $first"
            \(cases)    end
                for word in $words
                    echo $stem$word
                end
            end
            complete -c netemu -f
            \(lines.joined(separator: "\n"))
            """
    }
}
