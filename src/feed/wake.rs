//! What tells the tail that there may be something to read, besides the commits of its own process.
//!
//! On PostgreSQL a sequencer notifies all nodes. A notification says nothing but "look": one that is lost, with the connection it would
//! have come by or otherwise, costs the time until the tail looks by itself, and no event.

use std::{convert::Infallible, time::Duration};

use sea_orm::{
    DbBackend,
    sqlx::{
        self,
        postgres::{PgListener, PgPoolOptions},
    },
};
use tokio::sync::Notify;

use crate::store::{Db, journal::CHANNEL};

/// How long to wait before listening again, when the database would not let us.
const PAUSE: Duration = Duration::from_secs(1);

/// Passes notifications on, for ever. On SQLite there are none.
pub async fn listen(db: &Db, wake: &Notify) -> Infallible {
    if db.backend() != DbBackend::Postgres {
        return std::future::pending().await;
    }
    let options = db.reader().pool().get_postgres_connection_pool().connect_options();
    // A connection of its own: listening would keep one of the readers' for good.
    let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let pool = pool.connect_lazy_with((*options).clone());
    let mut quiet = false;
    loop {
        let error = match subscribed(&pool).await {
            Ok(mut listener) => {
                quiet = false;
                // What was notified before is to be found by looking.
                wake.notify_one();
                pass_on(&mut listener, wake).await
            }
            Err(error) => error,
        };
        if !quiet {
            tracing::warn!(error.cause = %error, "notifications of the journal are interrupted; it is polled meanwhile");
            quiet = true;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn subscribed(pool: &sqlx::PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

async fn pass_on(listener: &mut PgListener, wake: &Notify) -> sqlx::Error {
    loop {
        match listener.try_recv().await {
            // None: the connection was lost and made anew, and what was notified in between is lost with it.
            Ok(Some(_) | None) => wake.notify_one(),
            Err(error) => return error,
        }
    }
}
