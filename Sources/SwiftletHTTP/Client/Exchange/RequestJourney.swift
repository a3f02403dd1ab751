import HTTPTypes
import Swiftlet

/// The way of a request of the caller's: exchange after exchange, as redirects and demands for authentication want it, up
/// to the answer that is the caller's.
struct RequestJourney: ~Copyable {
    private let client: HTTPClient
    private let deadline: Deadline?
    private let number: UInt64
    let started = Deadline.now
    private(set) var history: [HTTPClientResponse] = []
    /// Who asks; only where the journey began, for it is a secret between these two.
    private var authentication: HTTPAuthentication?
    private var authorization: String?
    private var hasAnsweredChallenge = false

    private var exchange: Exchange

    // A stack that waits for an answer keeps the frames of `open` and of its callers. What happens before and after the wait is
    // out of line, requests being large: ten thousand waiting ones cost a page less each.

    /// - Parameter isComplete: the request has the client's own fields already.
    @inline(never)
    init(_ request: borrowing HTTPClientRequest, client: HTTPClient, isComplete: Bool = false) {
        self.client = client
        deadline = request.timeout(of: client).map { Deadline.after($0) }
        number = client.nextNumber()
        authentication = request.authentication
        if authentication == nil, let credentials = request.url.credentials {
            authentication = .basic(user: credentials.user, password: credentials.password)
        }
        if authentication == nil, let own = client.configuration.authentication,
            client.configuration.baseURL?.hasSameOrigin(as: request.url) ?? true
        {
            authentication = own
        }
        exchange = Exchange(
            isComplete ? copy request : client.completed(request), client: client, at: started, until: deadline,
            number: number)
    }

    /// Goes as far as the head of the answer.
    mutating func open(isUpgrade: Bool = false) throws -> Exchange {
        repeat {
            exchange.notify(.started)
            try exchange.open(try additions(to: exchange), isUpgrade: isUpgrade)
        } while try goesOn()
        return exchange
    }

    /// Goes on to the next exchange, if this answer asks for one.
    @inline(never)
    private mutating func goesOn() throws -> Bool {
        guard let head = exchange.head else { return false }
        if let jar = client.cookies, head.notes.contains(.setCookie) {
            jar.take(head.headerFields, from: exchange.request.url)
        }
        guard head.status.kind == .redirection || head.status.code == 401,
            let next = try request(after: head)
        else { return false }
        exchange = Exchange(next, client: client, at: started, until: deadline, number: number)
        return true
    }

    @inline(never)
    private func additions(to exchange: Exchange) throws -> RequestAdditions {
        let request = exchange.request
        var additions = RequestAdditions()
        if let jar = client.cookies, !jar.isEmpty {
            let own = request.headers[.cookie].map { Set(HTTPCookie.pairs($0).map(\.name)) } ?? []
            additions.cookies = jar.field(for: request.url, except: own)
        }
        if let authentication {
            additions.authorization =
                authorization ?? client.digests.authorization(for: request, authentication)
        }
        additions.proxyAuthorization = request.proxy(of: client)?.authorization
        return additions
    }

    /// The next request, if this answer asks for one.
    private mutating func request(after head: ResponseHead) throws -> HTTPClientRequest? {
        let request = exchange.request
        if head.status.code == 401 {
            guard let authentication, !hasAnsweredChallenge, request.isRepeatable,
                let answer = client.digests.answer(head.headerFields, to: request, authentication)
            else { return nil }
            hasAnsweredChallenge = true
            authorization = answer
            exchange.notify(.challenged)
            exchange.release()
            return request
        }
        guard request.followsRedirects, [301, 302, 303, 307, 308].contains(head.status.code),
            let location = head.headerFields[.location]
        else { return nil }
        do {
            let limit = request.redirectLimit(of: client)
            guard history.count < limit else { throw HTTPRequestFault.tooManyRedirects(limit: limit) }
            let next = try redirected(request, to: location, head.status)
            exchange.notify(.redirected(to: next.url))
            exchange.release()
            history.append(
                HTTPClientResponse(
                    head: head, bytes: [], method: request.method, url: request.url, history: [],
                    started: started))
            if !next.url.hasSameOrigin(as: request.url) { authentication = nil }
            authorization = nil
            hasAnsweredChallenge = false
            return next
        } catch {
            throw exchange.fail(error, in: .redirect)
        }
    }

    /// The request that a redirect asks for (RFC 9110, 15.4).
    private func redirected(
        _ request: HTTPClientRequest, to location: String, _ status: HTTPResponse.Status
    ) throws -> HTTPClientRequest {
        var next = request
        var url = try request.url.resolving(location)
        if url.fragment == nil, let fragment = request.url.fragment { url = try url.resolving("#" + fragment) }
        next.url = url
        // 15.4.2 to 15.4.4: what browsers have always done with POST, and what 303 means.
        let becomesGet =
            status.code == 303 ? request.method != .head : status.code < 303 && request.method == .post
        if becomesGet {
            next.method = .get
            next.body = nil
            next.expectsContinue = false
            for name in [HTTPField.Name.contentType, .contentEncoding, .contentLanguage, .contentLocation] {
                next.headers[name] = nil
            }
        } else if !request.isRepeatable {
            throw HTTPRequestFault.bodyCannotBeRepeated
        }
        if !url.hasSameOrigin(as: request.url) {
            for name in [HTTPField.Name.authorization, .cookie, .proxyAuthorization] { next.headers[name] = nil }
        }
        return next
    }
}
