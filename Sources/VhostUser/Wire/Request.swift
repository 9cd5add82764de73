// The requests of both channels by number and by the specification's name (vhost-user specification,
// "Front-end message types", "Back-end message types").

/// A request from front-end to back-end.
public enum Request: UInt32, CaseIterable, Sendable {
    /// GET_FEATURES
    case getFeatures = 1
    /// SET_FEATURES
    case setFeatures = 2
    /// SET_OWNER
    case setOwner = 3
    /// RESET_OWNER
    case resetOwner = 4
    /// SET_MEM_TABLE
    case setMemoryTable = 5
    /// SET_LOG_BASE
    case setLogBase = 6
    /// SET_LOG_FD
    case setLogDescriptor = 7
    /// SET_VRING_NUM
    case setVringNum = 8
    /// SET_VRING_ADDR
    case setVringAddress = 9
    /// SET_VRING_BASE
    case setVringBase = 10
    /// GET_VRING_BASE
    case getVringBase = 11
    /// SET_VRING_KICK
    case setVringKick = 12
    /// SET_VRING_CALL
    case setVringCall = 13
    /// SET_VRING_ERR
    case setVringError = 14
    /// GET_PROTOCOL_FEATURES
    case getProtocolFeatures = 15
    /// SET_PROTOCOL_FEATURES
    case setProtocolFeatures = 16
    /// GET_QUEUE_NUM
    case getQueueNum = 17
    /// SET_VRING_ENABLE
    case setVringEnable = 18
    /// SEND_RARP
    case sendRARP = 19
    /// NET_SET_MTU
    case netSetMTU = 20
    /// SET_BACKEND_REQ_FD
    case setBackEndRequestDescriptor = 21
    /// IOTLB_MSG
    case translation = 22
    /// SET_VRING_ENDIAN
    case setVringEndian = 23
    /// GET_CONFIG
    case getConfiguration = 24
    /// SET_CONFIG
    case setConfiguration = 25
    /// CREATE_CRYPTO_SESSION
    case createCryptoSession = 26
    /// CLOSE_CRYPTO_SESSION
    case closeCryptoSession = 27
    /// POSTCOPY_ADVISE
    case postcopyAdvise = 28
    /// POSTCOPY_LISTEN
    case postcopyListen = 29
    /// POSTCOPY_END
    case postcopyEnd = 30
    /// GET_INFLIGHT_FD
    case getInflightDescriptor = 31
    /// SET_INFLIGHT_FD
    case setInflightDescriptor = 32
    /// GPU_SET_SOCKET
    case gpuSetSocket = 33
    /// RESET_DEVICE
    case resetDevice = 34
    /// VRING_KICK, a kick as a message
    case vringKick = 35
    /// GET_MAX_MEM_SLOTS
    case getMaximumMemorySlots = 36
    /// ADD_MEM_REG
    case addMemoryRegion = 37
    /// REM_MEM_REG
    case removeMemoryRegion = 38
    /// SET_STATUS
    case setStatus = 39
    /// GET_STATUS
    case getStatus = 40
    /// GET_SHARED_OBJECT
    case getSharedObject = 41
    /// SET_DEVICE_STATE_FD
    case setDeviceStateDescriptor = 42
    /// CHECK_DEVICE_STATE
    case checkDeviceState = 43
    /// GET_SHMEM_CONFIG
    case getSharedMemoryConfiguration = 44
}

/// A request from back-end to front-end, on the channel of SET_BACKEND_REQ_FD.
public enum BackEndRequest: UInt32, CaseIterable, Sendable {
    /// BACKEND_IOTLB_MSG
    case translation = 1
    /// BACKEND_CONFIG_CHANGE_MSG
    case configurationChanged = 2
    /// BACKEND_VRING_HOST_NOTIFIER_MSG
    case vringHostNotifier = 3
    /// BACKEND_VRING_CALL, a call as a message
    case vringCall = 4
    /// BACKEND_VRING_ERR
    case vringError = 5
    /// BACKEND_SHARED_OBJECT_ADD
    case sharedObjectAdd = 6
    /// BACKEND_SHARED_OBJECT_REMOVE
    case sharedObjectRemove = 7
    /// BACKEND_SHARED_OBJECT_LOOKUP
    case sharedObjectLookup = 8
    /// BACKEND_SHMEM_MAP
    case sharedMemoryMap = 9
    /// BACKEND_SHMEM_UNMAP
    case sharedMemoryUnmap = 10
}

extension Request: CustomStringConvertible {
    /// The specification's name without its VHOST_USER_ prefix.
    public var description: String { Request.names[Int(rawValue)] }

    private static let names = [
        "NONE", "GET_FEATURES", "SET_FEATURES", "SET_OWNER", "RESET_OWNER", "SET_MEM_TABLE", "SET_LOG_BASE",
        "SET_LOG_FD", "SET_VRING_NUM", "SET_VRING_ADDR", "SET_VRING_BASE", "GET_VRING_BASE", "SET_VRING_KICK",
        "SET_VRING_CALL", "SET_VRING_ERR", "GET_PROTOCOL_FEATURES", "SET_PROTOCOL_FEATURES", "GET_QUEUE_NUM",
        "SET_VRING_ENABLE", "SEND_RARP", "NET_SET_MTU", "SET_BACKEND_REQ_FD", "IOTLB_MSG", "SET_VRING_ENDIAN",
        "GET_CONFIG", "SET_CONFIG", "CREATE_CRYPTO_SESSION", "CLOSE_CRYPTO_SESSION", "POSTCOPY_ADVISE",
        "POSTCOPY_LISTEN", "POSTCOPY_END", "GET_INFLIGHT_FD", "SET_INFLIGHT_FD", "GPU_SET_SOCKET", "RESET_DEVICE",
        "VRING_KICK", "GET_MAX_MEM_SLOTS", "ADD_MEM_REG", "REM_MEM_REG", "SET_STATUS", "GET_STATUS",
        "GET_SHARED_OBJECT", "SET_DEVICE_STATE_FD", "CHECK_DEVICE_STATE", "GET_SHMEM_CONFIG",
    ]
}

extension BackEndRequest: CustomStringConvertible {
    /// The specification's name without its VHOST_USER_BACKEND_ prefix.
    public var description: String { BackEndRequest.names[Int(rawValue)] }

    private static let names = [
        "NONE", "IOTLB_MSG", "CONFIG_CHANGE_MSG", "VRING_HOST_NOTIFIER_MSG", "VRING_CALL", "VRING_ERR",
        "SHARED_OBJECT_ADD", "SHARED_OBJECT_REMOVE", "SHARED_OBJECT_LOOKUP", "SHMEM_MAP", "SHMEM_UNMAP",
    ]
}
