// The back-ends of a guest that moves, as far as they hand connections over: every step is taken by all of them at once,
// and is done when the last one is.

import Migration

/// What became of the connections of one back-end.
struct BackEndReport: Equatable {
    let name: String
    let connections: ConnectionReport

    /// The first line says how many, the others which.
    var lines: [String] {
        let had = connections.had.map { "\($0) had" } ?? "nobody knows how many it had"
        let moved = connections.moved.map { ", \($0) moved" } ?? ""
        let lost = connections.had.flatMap { had in connections.moved.map { ", \(max(0, had - $0)) lost" } } ?? ""
        return ["\(name): \(had)\(moved)\(lost)"] + connections.lost.map { "  \($0)" }
    }
}

/// Moving back-ends in the order of the cards that hang on them.
final class BackEndMoves {
    private struct Part {
        let section: String
        let name: String
        let netdev: any MovingNetdev
    }

    private let parts: [Part]
    /// What was saved, by section, until it is forgotten.
    private var states: [String: NetdevState] = [:]
    private var isSaving = false
    private var onSaved: (() -> Void)?

    init(_ network: Network) {
        parts = network.cardsInOrder.enumerated().compactMap { number, entry in
            network.movingNetdev(of: entry.client).map {
                Part(section: Self.section(number), name: $0.name, netdev: $0.netdev)
            }
        }
    }

    static let sectionPrefix = "back-end"
    static func section(_ card: Int) -> String { "\(sectionPrefix)\(card)" }

    /// Names of all sections that it can read.
    var sections: Set<String> { Set(parts.map(\.section)) }

    /// What is known to be lost before anything happens.
    var expectedLosses: [String] { parts.flatMap(\.netdev.expectedLosses) }

    private func all(_ step: (Part, @escaping () -> Void) -> Void, then done: @escaping () -> Void) {
        var left = parts.count
        guard left > 0 else { return done() }
        for part in parts {
            step(part) {
                left -= 1
                if left == 0 { done() }
            }
        }
    }

    // MARK: the source

    /// - Parameters:
    ///   - elsewhere: the destination is on another host or in another network namespace.
    ///   - done: called when everything is up that can be.
    func prepareToSave(elsewhere: Bool, _ done: @escaping () -> Void) {
        all({ part, done in part.netdev.prepareToSave(elsewhere: elsewhere, done) }, then: done)
    }

    /// The sections, or why there are none: then `takeBack` gives back what was saved.
    func save(_ done: @escaping (Result<[MigrationSection], EmulationError>) -> Void) {
        isSaving = true
        var failure: EmulationError?
        let save = { [self] (part: Part, done: @escaping () -> Void) in
            part.netdev.saveState { [self] result in
                switch result {
                case .success(let state): states[part.section] = state
                case .failure(let error): failure = failure ?? error.said(of: part.name)
                }
                done()
            }
        }
        let finish = { [self] in
            isSaving = false
            done(failure.map { .failure($0) } ?? .success(saved))
            onSaved?()
            onSaved = nil
        }
        all(save, then: finish)
    }

    private var saved: [MigrationSection] {
        parts.compactMap { part in
            states[part.section].map { MigrationSection(name: part.section, bytes: $0.bytes) }
        }
    }

    /// The guest goes on here: back-ends that gave their state away get it back. `done` with what is not as before.
    func takeBack(_ done: @escaping ([String]) -> Void) {
        guard !isSaving else {
            onSaved = { [self] in takeBack(done) }
            return
        }
        var losses: [String] = []
        let take = { [self] (part: Part, done: @escaping () -> Void) in
            guard let state = states.removeValue(forKey: part.section) else { return done() }
            part.netdev.takeBack(state) { error in
                if let error { losses.append("\(part.name): \(error.text)") }
                done()
            }
        }
        all(take, then: { done(losses) })
    }

    /// The guest runs elsewhere. Back-ends that it might come back to begin without connections.
    func forget() {
        for part in parts where states[part.section] != nil {
            part.netdev.forgetState()
            states[part.section] = NetdevState()
        }
    }

    // MARK: the destination

    /// What can be there before anything has come; nil when it is.
    func prepareEarly(elsewhere: Bool, _ done: @escaping (EmulationError?) -> Void) {
        prepare({ part, done in part.netdev.prepareEarly(elsewhere: elsewhere, done) }, then: done)
    }

    /// Everything is there that `load` needs; nil when it is.
    func prepare(_ sections: [MigrationSection], _ done: @escaping (EmulationError?) -> Void) {
        let prepare = { (part: Part, done: @escaping (EmulationError?) -> Void) in
            let state = sections.first { $0.name == part.section }
            part.netdev.prepareState(NetdevState(bytes: state?.bytes ?? []), done)
        }
        self.prepare(prepare, then: done)
    }

    private func prepare(
        _ step: (Part, @escaping (EmulationError?) -> Void) -> Void, then done: @escaping (EmulationError?) -> Void
    ) {
        var failure: EmulationError?
        let one = { (part: Part, done: @escaping () -> Void) in
            step(part) { error in
                failure = failure ?? error?.said(of: part.name)
                done()
            }
        }
        all(one, then: { done(failure) })
    }

    func load(_ done: @escaping ([BackEndReport]) -> Void) {
        var reports: [String: BackEndReport] = [:]
        let load = { (part: Part, done: @escaping () -> Void) in
            part.netdev.loadState { connections in
                reports[part.section] = BackEndReport(name: part.name, connections: connections)
                done()
            }
        }
        all(load, then: { [parts] in done(parts.compactMap { reports[$0.section] }) })
    }
}

extension EmulationError {
    /// The same, with who it is about.
    fileprivate func said(of name: String) -> EmulationError {
        EmulationError(text: "\(name): \(text)", hints: hints)
    }
}
