// A shell on its way to another process: its script as it was understood, where in it it is, the tool in the foreground
// with its files.

import Bytes

extension Shell {
    mutating func code(_ coder: inout StateCoder, _ files: FileMover) throws(StateError) {
        try coder.integer(&status)
        try coder.integer(&lostWrite)
        try coder.list(&script.commands, limit: Script.Limit.commands, "number of commands")
        try coder.count(&next, in: 0...script.commands.count, "place in a script")
        var isRunning = foreground != nil
        try coder.flag(&isRunning)
        guard isRunning else {
            foreground = nil
            return
        }
        var running = foreground ?? Foreground(name: "", tool: .none, input: .none, output: .console)
        try coder.text(&running.name, limit: Script.Limit.wordBytes * 4, "name of a tool")
        try running.input.code(&coder, files)
        try running.output.code(&coder, files)
        try running.tool.code(&coder, files)
        foreground = running
    }
}

extension Command: StateCoded {
    static var blank: Command { Command(connector: .always, words: [], redirections: []) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        let connectors: [Connector] = [.always, .onSuccess, .onFailure]
        var place = connectors.firstIndex(of: connector) ?? 0
        try coder.count(&place, in: 0...connectors.count - 1, "connector of a command")
        connector = connectors[place]
        try coder.list(&words, limit: Script.Limit.wordsPerCommand, "words of a command")
        try coder.list(&redirections, limit: Script.Limit.wordsPerCommand, "files of a command")
    }
}

extension Word: StateCoded {
    static var blank: Word { Word(pieces: []) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.list(&pieces, limit: Script.Limit.wordBytes, "pieces of a word")
    }
}

extension Word.Piece: StateCoded {
    static var blank: Word.Piece { .lastStatus }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var text: String?
        if case .text(let written) = self { text = written }
        // Bytes that were no UTF-8 take three each by now.
        try coder.text(&text, limit: Script.Limit.wordBytes * 4, "text of a word")
        self = text.map { .text($0) } ?? .lastStatus
    }
}

extension Redirection: StateCoded {
    static var blank: Redirection { .input(.blank) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (kind, word): (UInt8, Word) =
            switch self {
            case .input(let word): (0, word)
            case .output(let word): (1, word)
            case .append(let word): (2, word)
            }
        try coder.integer(&kind)
        try word.code(&coder)
        switch kind {
        case 0: self = .input(word)
        case 1: self = .output(word)
        case 2: self = .append(word)
        default: throw .impossible("redirection of a command")
        }
    }
}
