// One netemu-repair beside a passt: started for one hand-over of connections, told of when it is connected. passt
// itself ends the conversation when its state is saved or loaded, and the helper ends with it.

import Glibc
import Linux

/// A helper's run.
public final class RepairRun {
    /// How long it may take to be connected.
    private static let patience: UInt64 = 3_000_000_000

    private let spawner: any ProcessSpawner
    private let reactor: Reactor
    private let request: SpawnRequest
    private var child: ChildID?
    private var done: ((String?) -> Void)?
    private lazy var alarm = Alarm(on: reactor) { [weak self] in self?.timeCame() }
    private var lastLine: String?
    /// What it let go stays silent until it is ended.
    public let stays: Bool
    /// passt can use it.
    public private(set) var isConnected = false

    /// A helper of the passt whose files these are; it is not started.
    /// - Parameters:
    ///   - program: which.
    ///   - files: that passt's.
    ///   - directory: where that runs.
    ///   - tools: to start it with.
    ///   - stays: the ports of what it let go stay silent until it is ended, and not only for a moment.
    public init(
        _ program: RepairProgram, files: PasstFiles, in directory: RuntimeDirectory, tools: PasstTools,
        stays: Bool = false
    ) {
        self.stays = stays
        spawner = tools.spawner
        reactor = tools.reactor
        request = SpawnRequest(
            path: program.path, arguments: [RepairProgram.name] + RepairProgram.arguments(files, stays: stays),
            directory: directory.raw)
    }

    /// Starts it, once; `done` is called when it is connected, or with the reason why it is not.
    public func start(_ done: @escaping (String?) -> Void) {
        self.done = done
        alarm.set(reactor.nowNanoseconds &+ Self.patience)
        do throws(SpawnError) {
            child = try spawner.spawn(request) { [weak self] in self?.said($0) }
        } catch { tell("\(error)") }
    }

    /// Ends it, if it has not ended by itself. Not while passt's state moves: what it holds would be lost.
    public func end() {
        alarm.set(nil)
        done = nil
        isConnected = false
        if let child { spawner.signal(child, SIGTERM) }
        child = nil
    }

    private func said(_ event: ChildEvent) {
        switch event {
        case .started, .linesDropped: break
        case .failed(let error): ended("\(error)")
        case .line(let line): heard(line.hasPrefix(Self.prefix) ? String(line.dropFirst(Self.prefix.count)) : line)
        case .ended(let end): ended(lastLine ?? "it \(end)")
        }
    }

    private static let prefix = RepairProgram.name + ": "

    private func heard(_ line: String) {
        guard line.hasPrefix("connected to ") else {
            lastLine = line
            return
        }
        isConnected = true
        tell(nil)
    }

    private func ended(_ why: String) {
        child = nil
        isConnected = false
        tell(why)
    }

    private func timeCame() {
        let waiting = done
        end()
        waiting?("it was not connected within \(Self.patience / 1_000_000_000) s")
    }

    private func tell(_ problem: String?) {
        alarm.set(nil)
        let waiting = done
        done = nil
        guard let waiting else { return }
        reactor.atEndOfTurn { waiting(problem) }
    }
}
