// From a URI to a channel: connects or listens (StreamEndpoint), opens, or starts a program. One channel comes of it.

import Bytes
import Glibc
import Linux

/// Why there is no channel.
public enum ConnectFailure: Error, Equatable, Sendable {
    /// A socket could not be made: QEMU has sentences for it, with the address.
    case stream(StreamFailure, at: StreamAddress)
    /// A file or a pipe could not be made.
    case system(SystemError)
    /// The command of `exec:` did not start.
    case spawn(SpawnError)
    /// No program may be started here.
    case noPrograms
    /// No descriptor of this number is open.
    case descriptor(CInt)
    /// `defer` is nowhere.
    case nowhere
}

extension ConnectFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .stream(.name(let error), _): "\(error)"
        case .stream(.connect(let error), let address), .stream(.listen(let error), let address):
            "\(address.text): \(error.reason)"
        case .stream(.noSocket(let number), _): "fd:\(number) is no socket"
        case .system(let error): "\(error)"
        case .spawn(let error): "exec: \(error)"
        case .noPrograms: "exec: no program may be started here"
        case .descriptor(let number): "fd:\(number) is not open"
        case .nowhere: "defer: nothing to connect to"
        }
    }
}

/// Makes the channel of a migration.
public final class MigrationConnector {
    /// News for the owner, at the end of a turn.
    public enum Event {
        /// A destination listens there.
        case listening(at: String)
        /// The channel is the receiver's; nothing follows but what a program says.
        case connected(MigrationChannel)
        /// For good.
        case failed(ConnectFailure)
        /// The program of `exec:` wrote this line to its standard error.
        case said(String)
    }

    /// How long a program or a socket of unknown kind has to answer before a snapshot is made.
    public var answersWithin = MigrationSource.Mode.either(within: MigrationPatience().reply)
    private let uri: MigrationURI
    private let isIncoming: Bool
    private let reactor: Reactor
    private let spawner: (any ProcessSpawner)?
    private let onEvent: (Event) -> Void
    private var endpoint: StreamEndpoint?
    /// A program's, until that has started. Nobody else keeps it: its end is what the program sees as the end of file.
    private var pending: MigrationChannel?
    private var isOver = false

    /// - Parameters:
    ///   - uri: where.
    ///   - isIncoming: listens, or reads.
    ///   - reactor: the loop of this thread.
    ///   - spawner: starts the program of `exec:`, which is refused without one.
    ///   - onEvent: called with news, at the end of a turn.
    public init(
        _ uri: MigrationURI, isIncoming: Bool, on reactor: Reactor, spawner: (any ProcessSpawner)? = nil,
        onEvent: @escaping (Event) -> Void
    ) {
        self.uri = uri
        self.isIncoming = isIncoming
        self.reactor = reactor
        self.spawner = spawner
        self.onEvent = onEvent
    }

    deinit { stop() }

    /// Begins: call once.
    public func start() {
        switch uri {
        case .stream(let address): connect(address)
        case .descriptor(let number): open(number)
        case .command(let command): start(command)
        case .file(let path, let offset): open(path, offset)
        case .later: end(.failed(.nowhere))
        }
    }

    /// Nothing comes of it any more; a listener is closed.
    public func stop() {
        isOver = true
        endpoint?.stop()
        endpoint = nil
        pending = nil
    }

    private func end(_ event: Event) {
        reactor.atEndOfTurn { [weak self] in
            guard let self, !self.isOver else { return }
            self.stop()
            self.onEvent(event)
        }
    }

    // MARK: sockets

    private func connect(_ address: StreamAddress) {
        let endpoint = StreamEndpoint(address, isIncoming ? .server : .client(reconnect: 0), on: reactor)
        self.endpoint = endpoint
        endpoint.onEvent = { [weak self] event in self?.heard(event, address) }
        endpoint.start()
    }

    private func heard(_ event: StreamEndpoint.Event, _ address: StreamAddress) {
        guard !isOver else { return }
        switch event {
        case .listening: onEvent(.listening(at: endpoint?.localAddress.map { "tcp:\($0)" } ?? address.text))
        case .connected(let socket):
            if case .inet = address { InternetSocket.setNoDelay(socket.raw) }
            stop()
            onEvent(.connected(MigrationChannel(socket)))
        case .failed(let failure):
            stop()
            onEvent(.failed(.stream(failure, at: address)))
        }
    }

    // MARK: descriptors and files

    private func open(_ number: CInt) {
        var status = stat()
        guard fstat(number, &status) == 0 else { return end(.failed(.descriptor(number))) }
        let descriptor = SharedDescriptor(FileDescriptor(owning: number))
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        let kind = status.st_mode & S_IFMT
        if kind != S_IFREG { Self.setBlocking(number, false) }
        guard kind == S_IFSOCK else {
            return end(.connected(oneWay(descriptor)))
        }
        end(.connected(MigrationChannel(input: descriptor, output: descriptor, mode: answersWithin)))
    }

    private func oneWay(_ descriptor: SharedDescriptor) -> MigrationChannel {
        MigrationChannel(
            input: isIncoming ? descriptor : nil, output: isIncoming ? nil : descriptor, mode: .snapshot)
    }

    /// A snapshot holds the guest's memory: a new file is its owner's only.
    private func open(_ path: String, _ offset: UInt64) {
        do throws(SystemError) {
            let isNew = FileIdentity(at: path) == nil
            let file = SharedDescriptor(try isIncoming ? Self.openToRead(path) : Self.openToWrite(path))
            guard isIncoming || ftruncate(file.raw, off_t(offset)) == 0 || errno == EINVAL else {
                throw SystemError(call: "ftruncate", code: errno, subject: path)
            }
            guard offset == 0 || lseek(file.raw, off_t(offset), SEEK_SET) >= 0 else {
                throw SystemError(call: "lseek", code: errno, subject: path)
            }
            var channel = oneWay(file)
            channel.name = path
            if !isIncoming {
                let placed = isNew ? PlacedFile(path, FileIdentity(of: file.raw)) : nil
                channel.discard = { Self.discard(file, placed, offset) }
            }
            end(.connected(channel))
        } catch { end(.failed(.system(error))) }
    }

    /// Nothing is left of what we have made; a file that was there is as long as if nothing had been written.
    private static func discard(_ file: SharedDescriptor, _ placed: PlacedFile?, _ offset: UInt64) {
        if let placed { placed.remove() } else { _ = ftruncate(file.raw, off_t(clamping: offset)) }
    }

    private static func openToWrite(_ path: String) throws(SystemError) -> FileDescriptor {
        try OutputFile.open(path, O_WRONLY, mode: 0o600)
    }

    private static func openToRead(_ path: String) throws(SystemError) -> FileDescriptor {
        let raw = Glibc.open(path.systemPath, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard raw >= 0 else { throw SystemError(call: "open", code: errno, subject: path) }
        return FileDescriptor(owning: raw)
    }

    private static func setBlocking(_ fd: CInt, _ isBlocking: Bool) {
        let flags = fcntl(fd, F_GETFL)
        _ = fcntl(fd, F_SETFL, isBlocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK)
    }

    // MARK: programs

    private func start(_ command: String) {
        guard let spawner else { return end(.failed(.noPrograms)) }
        do throws(SystemError) {
            // Two pipes: that a program closes its output is seen at once, and it is a snapshot then.
            let (toChild, fromChild) = (try Pipe(), try Pipe())
            Self.setBlocking(toChild.reading.raw, true)
            Self.setBlocking(toChild.writing.raw, false)
            let request = SpawnRequest(
                path: "/bin/sh", arguments: ["sh", "-c", command],
                placements: [
                    DescriptorPlacement(toChild.reading.raw, as: 0), DescriptorPlacement(fromChild.writing.raw, as: 1),
                ])
            spawn(request, spawner, input: fromChild.reading, output: toChild.writing)
        } catch { end(.failed(.system(error))) }
    }

    private func spawn(
        _ request: SpawnRequest, _ spawner: any ProcessSpawner, input: SharedDescriptor, output: SharedDescriptor
    ) {
        var id: ChildID?
        let child = MigrationChild { [weak spawner] in if let id { spawner?.signal(id, SIGTERM) } }
        pending = MigrationChannel(input: input, output: output, mode: answersWithin, child: child)
        do throws(SpawnError) {
            id = try spawner.spawn(request) { [weak self, weak child] event in
                switch event {
                case .started: if let channel = self?.pending { self?.end(.connected(channel)) }
                case .failed(let error): self?.end(.failed(.spawn(error)))
                case .line(let line): self?.onEvent(.said(line))
                case .linesDropped: break
                case .ended(let end):
                    child?.end = end
                    child?.onEnd?()
                }
            }
        } catch { end(.failed(.spawn(error))) }
    }
}
