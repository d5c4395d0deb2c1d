//! `serve`: opens the port, then the folder, says how to reach it, and serves until it is told to stop.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use server::app::App;
use server::config::Config;
use server::face;
use server::listen::{Descriptors, Server};
use storage::Store;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use super::folder::{self, Made, Opened, Settings, Wishes};
use crate::cli::{self, Place, Serve};
use crate::failure::{Failure, Result};
use crate::show;

/// Serves until it is told to stop.
///
/// # Errors
/// `CouldNot` where the port or the folder cannot be had.
pub fn run(place: &Place, serve: Serve) -> Result<()> {
    let filter = EnvFilter::try_new(&serve.log).map_err(|fault| Failure::CouldNot(format!("--log: {fault}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve_until_told(place, serve));
    // Work that did not finish in time is left behind: the store is closed already.
    runtime.shutdown_timeout(Duration::from_millis(500));
    served
}

async fn serve_until_told(place: &Place, serve: Serve) -> Result<()> {
    // From here on a signal no longer ends the process by itself.
    let mut signals = Signals::listen()?;
    let descriptors = Descriptors::claim();
    let config = Config {
        listen: serve.listen.clone(),
        public_urls: serve.public_url.clone(),
        origins: serve.allow_origin.clone(),
        connections_max: serve.connections_max,
        functions_unconfined: serve.functions_unconfined,
        ..Config::default()
    };
    let busy = |fault| Failure::CouldNot(format!("{} cannot be listened on: {fault}", serve.listen));
    let server = Server::bind(config.clone(), descriptors).await.map_err(busy)?;
    let url = format!("http://{}", server.address()?);
    let front = server.front();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async { drop(stopped.await) }));
    let settings = settings(place, &serve, descriptors);
    let (folder, wishes) = (settings.folder.clone(), wishes(&serve));
    let opened = tokio::task::spawn_blocking(move || open(config, &settings, wishes)).await;
    let (Opened { app, store }, made) = opened.map_err(|fault| Failure::CouldNot(fault.to_string()))??;
    if let Some(folder) = &folder {
        folder::note_address(folder, &url)?;
    }
    let app = Arc::new(app);
    app.functions.serve_at(&url);
    let tidying = tokio::spawn({
        let app = app.clone();
        async move { app.functions.tidy().await }
    });
    front.open(face::router(app.clone()));
    announce(place, &url, folder.as_deref(), &made);
    signals.next().await;
    tracing::info!("stopping: requests under way may finish");
    drop(stop);
    let goodbye = app.clone();
    tokio::spawn(async move { goodbye.realtime.stop().await });
    tokio::select! {
        _ = serving => {}
        () = signals.next() => tracing::warn!("told twice: stopping at once"),
    }
    tidying.abort();
    app.functions.stop();
    close(app, store, folder.as_deref()).await;
    Ok(())
}

fn settings(place: &Place, serve: &Serve, descriptors: Descriptors) -> Settings {
    Settings {
        folder: (!serve.memory).then(|| place.folder()),
        durability: match serve.durability {
            cli::Durability::Synced => storage::Durability::Synced,
            cli::Durability::Buffered => storage::Durability::Buffered,
        },
        cache_bytes: serve.cache_mb << 20,
        open_files_max: descriptors.storage,
        accept_loss: serve.accept_loss,
    }
}

fn wishes(serve: &Serve) -> Wishes {
    Wishes {
        env: serve.init_env.clone(),
        key: serve.init_secret_id.clone().zip(serve.init_secret_key.clone()),
        token: serve.init_admin_token.clone(),
    }
}

fn open(config: Config, settings: &Settings, wishes: Wishes) -> Result<(Opened, Made)> {
    let opened = folder::open(config, settings)?;
    let made = folder::prepare(&opened.app, wishes)?;
    if let (Some(folder), Some(token)) = (&settings.folder, &made.token) {
        folder::leave_token(folder, token)?;
    }
    Ok((opened, made))
}

async fn close(app: Arc<App>, store: Store, folder: Option<&Path>) {
    if let Some(folder) = folder {
        folder::forget_address(folder);
    }
    let closed = tokio::task::spawn_blocking(move || {
        app.realtime.hub.leave_marks(&app);
        store.close();
    })
    .await;
    if let Err(fault) = closed {
        tracing::error!(%fault, "the store did not close");
    }
}

/// What ends the server: an interrupt from the keyboard, or a request to terminate.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Says that it serves; at a first start also everything that a developer has to know, once.
fn announce(place: &Place, url: &str, folder: Option<&Path>, made: &Made) {
    if place.json {
        return show::json(&json!({
            "status": "ready",
            "address": url,
            "data": folder,
            "environment": made.env,
            "secretId": made.key.as_ref().map(|key| &key.id),
            "secretKey": made.key.as_ref().map(|key| &key.secret),
            "adminToken": made.token,
        }));
    }
    show::line(&format!("WaferDB {} serves at {url}", env!("CARGO_PKG_VERSION")));
    match folder {
        Some(folder) => show::line(&format!("  data         {}", folder.display())),
        None => show::line("  data         in memory only: everything is gone when the server stops"),
    }
    if let Some(token) = &made.token {
        show::line(&format!("  admin token  {token}   (shown once; the command line finds it in the data folder)"));
    }
    if let Some(key) = &made.key {
        show::line(&first_steps(url, &key.env, &key.id, &key.secret));
    }
}

/// What to paste where, for each SDK.
fn first_steps(url: &str, env: &str, id: &str, secret: &str) -> String {
    format!(
        "  environment  {env}
  secretId     {id}
  secretKey    {secret}   (shown once)

Point an SDK here, without changing code:
  export TCB_CONTEXT_CNFG='{{\"URL\":\"{url}/admin\"}}' TENCENTCLOUD=true
  export TENCENTCLOUD_SECRETID={id} TENCENTCLOUD_SECRETKEY={secret} TCB_ENV={env} TCB_CONTEXT_KEYS=TCB_ENV
  (wx-server-sdk 2 to 4, @cloudbase/node-sdk 2 and 3, with the current environment or '{env}' in init)

Or in code:
  wx-server-sdk         cloud.init({{ env: '{env}', secretId: '{id}', secretKey: '{secret}', serviceUrl: '{url}/admin' }})
  @cloudbase/node-sdk   tcb.init({{ env: '{env}', secretId: '{id}', secretKey: '{secret}', serviceUrl: '{url}/admin' }})
  tcb-admin-node        the same as @cloudbase/node-sdk
  wx-server-sdk 1       cloud.init({{ env: '{env}', serviceUrl: '{url}/admin' }}), with the two TENCENTCLOUD_SECRET variables
  TENCENTCLOUD=true in the environment saves newer SDKs a slow look-up at every call.

Make a collection:  waferdb collection create --env {env} todos"
    )
}
