// Tokens into commands. The only way from text to a `Script`.

extension Script {
    /// Parses the whole of `text`; nothing of a script with a mistake is run.
    init(parsing text: String) throws(ScriptError) {
        var parser = ScriptParser(lexer: try ScriptLexer(text))
        commands = try parser.commands()
    }
}

private struct ScriptParser {
    private var lexer: ScriptLexer
    private var result: [Command] = []
    private var open = Command(connector: .always, words: [], redirections: [])
    /// The `&&` or `||` that still waits for its right-hand side.
    private var waiting: String?

    init(lexer: ScriptLexer) { self.lexer = lexer }

    mutating func commands() throws(ScriptError) -> [Command] {
        while let token = try lexer.next() { try accept(token) }
        try close(as: .always)
        if let waiting { throw .missingCommand(near: waiting) }
        return result
    }

    private mutating func accept(_ token: Token) throws(ScriptError) {
        switch token {
        case .word(let word):
            guard open.words.count < Script.Limit.wordsPerCommand else { throw .tooManyWords }
            open.words.append(word)
            waiting = nil
        case .newline: if waiting == nil { try close(as: .always) }
        case .semicolon:
            if let waiting { throw .missingCommand(near: waiting) }
            try close(as: .always)
        case .and: try join("&&", as: .onSuccess)
        case .or: try join("||", as: .onFailure)
        case .redirect(let sign): try redirect(sign)
        }
    }

    private mutating func join(_ sign: String, as connector: Connector) throws(ScriptError) {
        guard !open.words.isEmpty else { throw .missingCommand(near: sign) }
        try close(as: connector)
        waiting = sign
    }

    private mutating func redirect(_ sign: String) throws(ScriptError) {
        guard case .word(let file) = try lexer.next() else { throw .missingFile(after: sign) }
        guard open.redirections.count < Script.Limit.wordsPerCommand else { throw .tooManyWords }
        switch sign {
        case "<": open.redirections.append(.input(file))
        case ">": open.redirections.append(.output(file))
        default: open.redirections.append(.append(file))
        }
    }

    /// Ends the open command; `next` is how the one after it is joined.
    private mutating func close(as next: Connector) throws(ScriptError) {
        if open.words.isEmpty, let first = open.redirections.first { throw .missingCommand(near: first.sign) }
        if !open.words.isEmpty {
            guard result.count < Script.Limit.commands else { throw .tooManyCommands }
            result.append(open)
        }
        open = Command(connector: next, words: [], redirections: [])
    }
}

extension Redirection {
    fileprivate var sign: String {
        switch self {
        case .input: "<"
        case .output: ">"
        case .append: ">>"
        }
    }
}
